"""A thread of a session ends with it, whatever its code does at that moment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from fastrtc_core import abandonment
from fastrtc_core.abandonment import CallAbandonedError
from fastrtc_core.session.session_thread import SessionThread

TIME = 5.0


interrupts = pytest.mark.skipif(
    not abandonment.can_interrupt(), reason="this Python cannot interrupt code on another thread"
)


async def closed_while(function: Callable[[threading.Event], None]) -> None:
    """Close a thread as soon as its function has set the event, and wait until it is gone."""
    thread, reached = SessionThread("told-to-end"), threading.Event()
    call = asyncio.create_task(thread.run(function, reached))
    assert await asyncio.to_thread(reached.wait, TIME)
    call.cancel()
    thread.close()
    deadline = time.monotonic() + TIME
    while any(other.name == "told-to-end" for other in threading.enumerate()):
        assert time.monotonic() < deadline, "the thread goes on"
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await call


class Lingering:
    """Computes for a while when nobody has it any more; what is raised there is lost."""

    def __init__(self, reached: threading.Event) -> None:
        self.reached = reached

    def __del__(self) -> None:
        self.reached.set()
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass


@interrupts
@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
async def test_an_exception_that_a_callback_of_python_dropped_is_raised_again() -> None:
    """`__del__` swallows whatever is raised in it."""

    def work(reached: threading.Event) -> None:
        Lingering(reached)
        while True:
            time.sleep(0.001)

    await closed_while(work)


@interrupts
async def test_code_that_swallows_everything_is_told_again() -> None:
    """`except BaseException: pass` in a loop lasts as long as one more round."""
    caught = 0

    def work(reached: threading.Event) -> None:
        nonlocal caught
        while caught < 2:
            try:
                while True:
                    reached.set()
                    time.sleep(0.001)
            except BaseException:
                caught += 1

    await closed_while(work)
    assert caught == 2


@interrupts
@pytest.mark.parametrize("nested", [False, True])
async def test_what_code_does_at_its_end_is_not_interrupted(nested: bool) -> None:
    """Also where it meets another error on the way."""
    done: list[str] = []

    def clean_up() -> None:
        for _ in range(100):
            time.sleep(0.005)
        done.append("cleaned up")

    def work(reached: threading.Event) -> None:
        try:
            while True:
                reached.set()
                time.sleep(0.001)
        except CallAbandonedError:
            try:
                if nested:
                    raise OSError("the other side is gone")
            except OSError:
                clean_up()
            else:
                clean_up()

    await closed_while(work)
    assert done == ["cleaned up"]
