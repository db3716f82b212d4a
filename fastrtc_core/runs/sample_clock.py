"""An event loop whose time is that of the samples that were fed.

A file is run as fast as the handler takes it, and still everything that goes by the clock, such as
the pace of what the handler emits, comes out as in real time.

Between two samples, time stands still while something happens: the file is decoded, a thread of the
handler works. Only if the loop has nothing to wait for but a timer, it passes as in real life: a
handler may sleep. The samples that follow make up for it.
"""

from __future__ import annotations

import asyncio
import selectors

GRACE = 0.0005
"""How long in real s a step waits for threads before time goes on."""

STALL = 0.1
"""Longest step in s by which time passes without samples."""


class _HeldSelector(selectors.DefaultSelector):
    """Waits for events, and moves the clock on when there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.target = 0.0
        self.grace = 0.0
        self.arrived: asyncio.Future[None] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.arrived is None:
            return self._wait(timeout)
        if events := super().select(self.grace):
            return events
        if timeout is not None and self.now + timeout <= self.target:
            self.now += timeout
            return []
        self.now = max(self.now, self.target)
        arrived, self.arrived = self.arrived, None
        if not arrived.done():
            arrived.set_result(None)
        return []

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        step = min(timeout, STALL)
        events = super().select(step)
        if not events:
            self.now += step
        return events


class SampleClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock `advance` moves on; it starts at 0."""

    def __init__(self) -> None:
        self._held = _HeldSelector()
        super().__init__(self._held)

    def time(self) -> float:
        """The time of the samples in s."""
        return self._held.now

    async def advance(self, seconds: float, *, grace: float = 0.0) -> None:
        """Let so much time pass, timer by timer; returns when all has been done that was due.

        Args:
            seconds: How much.
            grace: How long in real s each step waits for what threads may bring.
        """
        self._held.target += seconds
        self._held.grace = grace
        self._held.arrived = self.create_future()
        await self._held.arrived
