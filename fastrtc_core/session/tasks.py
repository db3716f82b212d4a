"""The tasks of a session, and what becomes of one that does not end.

Code that is cancelled may clean up, as `shutdown` may. If it does not end even when it is cancelled
again, it swallows that: nothing can end it. It is left behind and reported, so that it keeps
neither the slot of its session nor anybody who waits for the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Set
from typing import Any, TypeVar

logger = logging.getLogger("fastrtc_core.session")

CLEAN_UP = 5.0
"""How long in s cancelled code may clean up before it is cancelled again."""

AGAIN = 0.25
"""How long in s it may take then."""

T = TypeVar("T")

_left_behind: set[asyncio.Task[Any]] = set()
"""The event loop itself keeps no task alive."""


class SessionTasks:
    """Owns tasks; one that fails is the end of all.

    Args:
        owner: Whose they are, for the log.
        failed: Called when one has raised something.
    """

    def __init__(self, owner: str, failed: Callable[[], None]) -> None:
        self._owner = owner
        self._failed = failed
        self._tasks: set[asyncio.Task[Any]] = set()
        self._errors: list[BaseException] = []
        self._ending = False

    def __len__(self) -> int:
        return len(self._tasks)

    def create_task(self, coro: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine until its end, or that of the owner."""
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        if self._ending:
            task.cancel()
        return task

    async def end(self) -> None:
        """Cancel all of them, and wait until they have ended.

        Raises:
            BaseExceptionGroup: What they have raised, unless the caller is cancelled.
        """
        self._ending = True
        await cancel(self._tasks, self._owner, CLEAN_UP)
        if self._errors:
            raise BaseExceptionGroup("tasks have failed", self._errors)

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)
            self._failed()


async def within(coro: Coroutine[Any, Any, T], timeout: float, owner: str) -> T:
    """Run a coroutine in a task of its own.

    Raises:
        TimeoutError: If it has not ended after so many s; it is cancelled then.
        Exception: Whatever it raises.
    """
    task = asyncio.get_running_loop().create_task(coro)
    try:
        await asyncio.wait({task}, timeout=timeout)
        if not task.done():
            raise TimeoutError
    finally:
        await cancel({task}, owner, AGAIN)
    return task.result()


async def cancel(tasks: Set[asyncio.Task[Any]], owner: str, clean_up: float) -> None:
    """Cancel tasks and wait for their end; those that do not end are left behind.

    It goes on to that end if the caller is cancelled meanwhile.

    Args:
        tasks: Of them, those that run when this is called, and what is added meanwhile.
        owner: Whose they are, for the log.
        clean_up: How long in s they may take before they are cancelled again.
    """
    loop = asyncio.get_running_loop()
    cancelled = False
    for patience in (clean_up, AGAIN, AGAIN):
        for task in _running(tasks):
            task.cancel()
        until = loop.time() + patience
        while (running := _running(tasks)) and loop.time() < until:
            try:
                await asyncio.wait(running, timeout=until - loop.time())
            except asyncio.CancelledError:
                cancelled = True
    for task in _running(tasks):
        _left_behind.add(task)
        task.add_done_callback(_left_behind.discard)
        logger.error(
            "session %s: %s does not end although it was cancelled; it is left behind. Code must "
            "not swallow asyncio.CancelledError",
            owner,
            _where(task),
        )
    if cancelled:
        raise asyncio.CancelledError


def _running(tasks: Set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    return [task for task in tasks if not task.done()]


def _where(task: asyncio.Task[Any]) -> str:
    """The coroutines in which a task waits, from the outside in."""
    names = []
    coro: Any = task.get_coro()
    while hasattr(coro, "cr_frame"):
        line = f":{coro.cr_frame.f_lineno}" if coro.cr_frame is not None else ""
        names.append(coro.__qualname__ + line)
        coro = coro.cr_await
    return " > ".join(names) or repr(task)
