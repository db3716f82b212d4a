"""Event-loop lag: how late timers fire.

Blocking code and an overloaded machine disturb every session of a process at once. Late timers show
both.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

INTERVAL = 0.1
"""Time in s between two measurements."""

RECENT = 2.0
"""For how long in s `worst` remembers a delay."""

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in s of the buckets."""


class LoopLag:
    """Delays of one event loop. It reads no clock: the time is an argument.

    Attributes:
        counts: Number of delays in each bucket: one per bound in `BOUNDS`, and one above them.
        total: Their sum in s.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self._recent: deque[tuple[float, float]] = deque()

    def observe(self, delay: float, now: float) -> None:
        """Record a delay in s, measured at the time `now`."""
        self.counts[bisect_left(BOUNDS, delay)] += 1
        self.total += delay
        # A delay below a later one can never be the largest again.
        while self._recent and self._recent[-1][1] <= delay:
            self._recent.pop()
        self._recent.append((now, delay))
        self._forget(now)

    def worst(self, now: float) -> float:
        """The largest delay in s of the last `RECENT` s, or 0."""
        self._forget(now)
        return self._recent[0][1] if self._recent else 0.0

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - RECENT:
            self._recent.popleft()


def watched(lifespan: Callable[[Any], Any], lag: LoopLag) -> Callable[[Any], Any]:
    """Wrap the lifespan of an app so that the lag of its event loop is measured meanwhile."""

    @asynccontextmanager
    async def watching(app: Any) -> AsyncIterator[Any]:
        task = asyncio.create_task(_watch(lag), name="fastrtc-loop-lag")
        try:
            async with lifespan(app) as state:
                yield state
        finally:
            task.cancel()
            await asyncio.wait({task})

    return watching


async def _watch(lag: LoopLag) -> None:
    time = asyncio.get_running_loop().time
    while True:
        due = time() + INTERVAL
        await asyncio.sleep(INTERVAL)
        now = time()
        lag.observe(max(0.0, now - due), now)
