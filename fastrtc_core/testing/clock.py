"""An event loop whose clock jumps to the next timer instead of waiting for it.

Ten minutes of silence pass in milliseconds, and always in the same way. It is for code that waits
on timers and on itself alone. While other threads live, each jump first waits a real millisecond
for what they may bring, so that short work on a thread is done before its time-out.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_WAIT = 0.001
"""How long in real s a jump waits for other threads, if there are any."""

REAL_WAIT = 5.0
"""How long in real s a loop with no timer waits for threads and sockets before it gives up."""


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for events without waiting, and moves the clock on by what it was told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            events = super().select(REAL_WAIT)
            if not events:
                raise RuntimeError("everything waits and nothing is scheduled: a deadlock")
            return events
        if threading.active_count() > 1 and (events := super().select(THREAD_WAIT)):
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


def run_virtual(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time; like `asyncio.run`."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(coro)
