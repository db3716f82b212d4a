"""An event loop whose clock jumps to the next timer instead of waiting for it.

Ten minutes of silence pass in milliseconds, and always in the same way. It is for code that waits
on timers, on itself, and on sockets whose other end is in the same process. It waits for what was
handed to an executor (`asyncio.to_thread`), which takes no virtual time. While other threads live,
each jump first waits a little for what they may bring, so that short work on a thread is done
before its time-out.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
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
            if events := super().select(wait):
                return events
        self.now += timeout
        return []


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        """Virtual time in s."""
        return self._jumping_selector.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run a call on a thread; virtual time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping_selector.working += 1
        future.add_done_callback(self._one_less)
        return future

    def _one_less(self, _done: object) -> None:
        self._jumping_selector.working -= 1


def run_virtual(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time; like `asyncio.run`."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(coro)
