"""The lane of streams to one browser, so that they hold up nothing and drown nobody."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from ...errors import ChannelClosedError, QueueFullError
from ...session import MessageChannel

logger = logging.getLogger(__name__)

CAPACITY = 2 << 20
"""Bytes that wait for a browser: 16 windows, and half as much again."""

RATE = 4_000_000.0
BURST = 2_000_000.0
"""Bytes that a browser may send in a second, and that it may save up."""

OVERHEAD = 512
"""Bytes that a message counts for beside its own, so that a flood of small ones is one."""


class Lane:
    """Packets that wait for their browser: they leave while little else is on its way.

    Attributes:
        dropped: Packets that found it full; their streams fail.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: deque[str] = deque()
        self._size = 0
        self._news = asyncio.Event()

    def push(self, text: str) -> None:
        """Let a message wait, or drop it."""
        if self._size + len(text) > CAPACITY:
            self.dropped += 1
            return
        self._waiting.append(text)
        self._size += len(text)
        self._news.set()

    def wake(self) -> None:
        """The channel has opened."""
        self._news.set()

    async def run(self, channel: Callable[[], MessageChannel | None]) -> None:
        """Send what waits, until the channel is closed."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting and (open := channel()) is not None:
                await open.drain()
                text = self._waiting.popleft()
                self._size -= len(text)
                try:
                    open.post(text)
                except QueueFullError:
                    self.dropped += 1
                except ChannelClosedError:
                    return


class Allowance:
    """How many bytes a browser may send now: streams have no other bound."""

    def __init__(self, now: float) -> None:
        self._left = BURST
        self._counted = now

    def take(self, size: int, now: float) -> bool:
        """Whether it may send so many."""
        self._left = min(BURST, self._left + (now - self._counted) * RATE)
        self._counted = now
        if self._left < size + OVERHEAD:
            return False
        self._left -= size + OVERHEAD
        return True
