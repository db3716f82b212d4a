"""What code of the application raises is an error of its own session, never more (Rule 15).

asyncio lets `SystemExit` and `KeyboardInterrupt` out of a task and out of its event loop, and takes
any `CancelledError` for the end of the task in which it is raised. So both are turned into errors
where the code of the application is awaited, and nothing further out has to know of them.
"""

from __future__ import annotations

import asyncio
import dis
from collections.abc import Awaitable, Callable
from typing import Any

from .errors import UserCodeError, UserExitError

_RAISE = dis.opmap["RAISE_VARARGS"]


async def guarded(awaitable: Awaitable[Any]) -> Any:
    """Await code of the application.

    Code that swallows its cancellation, or raises something else instead, is cancelled all the
    same: it must not keep the loop around it alive.

    Raises:
        UserCodeError: In place of a `CancelledError` although nobody cancelled this task: the code
            awaited something that was cancelled.
        UserExitError: In place of whatever else is no `Exception`.
        Exception: Whatever else the code raises.
    """
    task = _current_task()
    cancelled_before = task.cancelling() if task is not None else 0
    try:
        result = await awaitable
    except BaseException as error:
        if task is not None and task.cancelling() > cancelled_before:
            if isinstance(error, asyncio.CancelledError):
                raise
            raise asyncio.CancelledError from error
        # A coroutine that is closed instead of awaited to its end sees `GeneratorExit` as well, but
        # not while its task is at work.
        if isinstance(error, GeneratorExit) and _current_task() is not task:
            raise
        contained = _contained(error)
        if contained is None:
            raise
        raise contained from error
    if task is not None and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError
    return result


def call_guarded(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the application; raises what `guarded` raises."""
    try:
        return function(*args)
    except BaseException as error:
        contained = _contained(error)
        if contained is None:
            raise
        raise contained from error


def _contained(error: BaseException) -> UserCodeError | None:
    """What is raised in place of what the code raised; `None` where that is left as it is."""
    if isinstance(error, Exception) or _is_ctrl_c(error):
        return None
    if isinstance(error, asyncio.CancelledError):
        return UserCodeError("it awaited something that was cancelled")
    return UserExitError(f"it raised {type(error).__name__}({error})")


def _is_ctrl_c(error: BaseException) -> bool:
    """Whether it is the user at the keyboard, who wants to end the program.

    A signal raises between two instructions of whatever runs; a handler's own `KeyboardInterrupt`
    comes from a `raise`.
    """
    traceback = error.__traceback__
    if not isinstance(error, KeyboardInterrupt) or traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    # `asyncio.Runner` raises it in a function of its own at the second Ctrl+C.
    return code.co_code[traceback.tb_lasti] != _RAISE or (
        code is asyncio.Runner._on_sigint.__code__  # type: ignore[attr-defined]
    )


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs: the collector is at work
        return None
