"""Runs callbacks: each in the order of its events, none in the way of another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ..session.calls import call_once

logger = logging.getLogger(__name__)

CAPACITY = 256
"""Events that may wait for one callback; then the oldest are dropped."""


class Callbacks:
    """Runs each callback in a task of its own while there are events for it.

    Args:
        own: Runs a coroutine in a task that somebody owns.

    Attributes:
        dropped: Events that were dropped because a callback was slow.
    """

    def __init__(self, own: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]) -> None:
        self.dropped = 0
        self._own = own
        self._waiting: dict[Callable[..., Any], deque[tuple[Any, ...]]] = {}

    def call(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call it once it is done with the events before."""
        waiting = self._waiting.get(callback)
        if waiting is None:
            self._waiting[callback] = waiting = deque(maxlen=CAPACITY)
            self._own(self._work(callback, waiting))
        elif len(waiting) == CAPACITY:
            self.dropped += 1
        waiting.append(args)

    async def _work(self, callback: Callable[..., Any], waiting: deque[tuple[Any, ...]]) -> None:
        try:
            while waiting:
                try:
                    await call_once(callback, "channel-event", *waiting.popleft())
                except Exception:
                    logger.exception("a callback of a channel failed")
        finally:
            del self._waiting[callback]
