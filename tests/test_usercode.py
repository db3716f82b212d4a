"""Rule 15: what code of the application raises is an error of its session, never more."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fastrtc_core import UserCodeError, UserExitError
from fastrtc_core.usercode import call_guarded, guarded


async def raises(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


async def a_cancelled_task() -> None:
    task = asyncio.create_task(asyncio.sleep(1))
    task.cancel()
    await task


async def swallows() -> str:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return "and goes on"
    return ""


async def raises_something_else() -> None:
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        raise ValueError("in the midst of it") from None


@pytest.mark.virtual_clock
async def test_a_cancellation_that_is_not_ours_is_an_error() -> None:
    """The task goes on, and what was cancelled stands in the traceback."""
    with pytest.raises(UserCodeError, match="cancelled") as caught:
        await guarded(a_cancelled_task())
    assert not isinstance(caught.value, UserExitError)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    "code",
    [lambda: asyncio.sleep(1), swallows, raises_something_else],
    ids=lambda code: code.__name__,
)
async def test_our_own_cancellation_ends_the_task(code: Callable[[], Awaitable[Any]]) -> None:
    """Whatever the code makes of it, a time-out around it included."""
    task = asyncio.create_task(guarded(code()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await guarded(code())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
async def test_no_code_ends_the_loop(kind: type[BaseException]) -> None:
    """What would have is an error with a name, awaited or called."""
    with pytest.raises(UserExitError, match=kind.__name__) as caught:
        await guarded(raises(kind(1)))
    assert isinstance(caught.value.__cause__, kind)

    def fail() -> None:
        raise kind(1)

    with pytest.raises(UserExitError, match=kind.__name__):
        call_guarded(fail)


async def test_errors_are_left_as_they_are() -> None:
    """With their own cause and context, and so are results."""
    error = ValueError("mine")
    error.__cause__ = KeyError("its cause")
    with pytest.raises(ValueError, match="mine") as caught:
        await guarded(raises(error))
    assert isinstance(caught.value.__cause__, KeyError)
    assert await guarded(asyncio.sleep(0, "done")) == "done"
    assert call_guarded(int, "3") == 3


async def test_a_coroutine_that_is_closed_ends_quietly() -> None:
    """The `GeneratorExit` of the collector is nobody's error."""
    waiting = guarded(asyncio.Event().wait())

    async def begin() -> None:
        waiting.send(None)

    await asyncio.create_task(begin())
    waiting.close()


def test_ctrl_c_ends_the_program() -> None:
    """Whatever runs when it comes; the second one raises from within `asyncio.Runner`."""

    async def press(times: int) -> None:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

    async def handler() -> None:
        await guarded(press(2))

    loop = asyncio.new_event_loop()  # without a runner, the first raises where the code stands
    # A shell has what it runs in the background ignore the signal.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(handler())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(guarded(press(1)))
    finally:
        signal.signal(signal.SIGINT, previous)
        loop.close()


def test_ctrl_c_in_a_call_ends_the_program() -> None:
    """A function is interrupted like a coroutine."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call_guarded(signal.raise_signal, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, previous)


def test_an_exit_names_its_code() -> None:
    """`sys.exit("no model")` is reported with what it says."""
    with pytest.raises(UserExitError, match="no model"):
        call_guarded(sys.exit, "no model")
