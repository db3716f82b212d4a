"""The lanes from other members to one browser, so that they hold up nothing and drown nobody."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from ..errors import ChannelClosedError, MessageError, QueueFullError
from ..session import MessageChannel

CAPACITY = 2 << 20
"""Bytes that wait for a browser: 16 windows, and half as much again."""

SHARE = 0.75
"""What of them may be of one sender."""

STALLED = 30.0
"""After how long in s in which nothing can be sent a browser is taken not to read."""


class MemberLane:
    """What other members send to a browser: it leaves while little else is on its way.

    So what a member sends never keeps from a browser what the room has to tell it.

    Args:
        stalled: Called when the browser reads nothing.

    Attributes:
        dropped: Messages that found it full. A stream fails then.
    """

    def __init__(self, stalled: Callable[[], None]) -> None:
        self.dropped = 0
        self._stalled = stalled
        self._waiting: deque[tuple[int, str]] = deque()
        self._size = 0
        self._sizes: Counter[int] = Counter()
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many characters wait."""
        return self._size

    def push(self, sender: int, text: str) -> None:
        """Let a message of a user wait, or drop it."""
        size = len(text)
        if self._size + size > CAPACITY or self._sizes[sender] + size > SHARE * CAPACITY:
            self.dropped += 1
            return
        self._waiting.append((sender, text))
        self._size += size
        self._sizes[sender] += size
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
                try:
                    async with asyncio.timeout(STALLED):
                        await open.drain()
                except TimeoutError:
                    self._stalled()
                    return
                try:
                    open.post(self._pop())
                except (QueueFullError, MessageError):
                    self.dropped += 1
                except ChannelClosedError:
                    return

    def _pop(self) -> str:
        sender, text = self._waiting.popleft()
        self._size -= len(text)
        self._sizes[sender] -= len(text)
        if not self._sizes[sender]:
            del self._sizes[sender]
        return text
