"""An event loop whose clock jumps to the next timer instead of waiting for it.

Ten minutes of silence pass in milliseconds, and always in the same way. It is for code that waits
on timers, on itself, and on sockets whose other end is in the same process. It waits for what was
handed to an executor (`asyncio.to_thread`), which takes no virtual time. While other threads live,
each jump first waits a little for what they may bring, and longer where they compute, so that short
work on a thread is done before its time-out.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_WAIT = 0.001
"""How long in real s a jump waits for other threads at least, if there are any."""

LONG_THREAD_WAIT = 0.25
"""How long in real s it waits at most."""

THREAD_PACE = 50
"""How many times faster than real time virtual time passes between these, while threads live."""

REAL_WAIT = 5.0
"""How long in real s a loop with no timer waits for threads and sockets before it gives up."""


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for events without waiting, and moves the clock on by what it was told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.working = 0
        """How many calls run on executors."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            events = super().select(REAL_WAIT)
            if not events:
                raise RuntimeError("everything waits and nothing is scheduled: a deadlock")
            return events
        if self.working and (events := super().select(REAL_WAIT)):
            return events
        if threading.active_count() > 1:
            wait = min(max(THREAD_WAIT, timeout / THREAD_PACE), LONG_THREAD_WAIT)
            until = time.monotonic() + LONG_THREAD_WAIT
            while not (events := super().select(wait)):
                if not _others_run() or time.monotonic() > until:
                    break
            else:
                return events
        self.now += timeout
        return []


def _others_run() -> bool:
    """Whether another thread of this process runs, or is ready to; only Linux tells."""
    own = str(threading.get_native_id())
    try:
        for thread in os.listdir("/proc/self/task"):
            if thread != own:
                with open(f"/proc/self/task/{thread}/stat", "rb") as file:
                    # "number (name) state": a name may have anything in it.
                    if file.read().rpartition(b") ")[2].startswith(b"R"):
                        return True
    except OSError:  # not Linux, or the thread has just ended
        pass
    return False


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        """Virtual time in s."""
        return self._jumping_selector.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a call on a thread; virtual time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping_selector.working += 1
        future.add_done_callback(self._one_less)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of `asyncio.to_thread` to end, however long that takes.

        With a time-out (Python 3.12 and newer), virtual time would be over before they are.
        """
        await super().shutdown_default_executor()

    def _one_less(self, _done: object) -> None:
        self._jumping_selector.working -= 1


def run_virtual(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time; like `asyncio.run`."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(coro)
