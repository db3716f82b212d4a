"""Requests for keyframes: none is lost, and there are not too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 0.5
"""Least time in s between two requests to one encoder: a keyframe costs as much as ten pictures."""


class KeyframeRequests:
    """Asks one encoder for keyframes, at most every `INTERVAL`.

    A request that comes too early is made when it is time, unless a keyframe has come by then.

    Args:
        ask: Makes a request.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self.asked = 0
        """How many were made."""
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._earliest = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def request(self) -> None:
        """Somebody needs a keyframe."""
        if self._timer is not None:
            return
        now = self._loop.time()
        if now >= self._earliest:
            self._make()
        else:
            self._timer = self._loop.call_at(self._earliest, self._make)

    def satisfy(self) -> None:
        """A keyframe has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Ask no more."""
        self.satisfy()
        self._earliest = float("inf")
        self._ask = lambda: None

    def _make(self) -> None:
        self._timer = None
        self._earliest = self._loop.time() + INTERVAL
        self.asked += 1
        self._ask()
