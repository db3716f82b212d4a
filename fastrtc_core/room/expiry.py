"""`Expiry`: warns before the token of a member ends, and says when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

WARNING = 30.0
"""How long in s before its end a token is warned of; at once, if it is shorter than that."""

LONGEST_WAIT = 86_400.0
"""Longest time in s of one timer: event loops take no timers of years."""


class Expiry:
    """The end of one token, which may be put off by another token.

    Args:
        warn: Called once with the time in s that is left.
        end: Called when it has ended.
    """

    def __init__(self, warn: Callable[[float], None], end: Callable[[], None]) -> None:
        self._warn = warn
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._warned = False

    def watch(self, expires: float) -> None:
        """Watch a token that ends at this Unix time in s, in place of the one before."""
        self.close()
        self._warned = False
        self._deadline = self._loop.time() + expires - time.time()
        if expires != float("inf"):
            self._arm()

    def close(self) -> None:
        """Watch no more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        now = self._loop.time()
        due = self._deadline if self._warned else self._deadline - WARNING
        self._timer = self._loop.call_at(min(max(due, now), now + LONGEST_WAIT), self._ring)

    def _ring(self) -> None:
        self._timer = None
        left = self._deadline - self._loop.time()
        if left <= 0:
            self._end()
            return
        if left <= WARNING + 0.001 and not self._warned:
            self._warned = True
            self._warn(left)
        self._arm()
