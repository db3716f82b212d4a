"""The bounded queue between a track and one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from ..errors import EndOfStreamError
from .signal import Signal

T = TypeVar("T")


class Ring(Generic[T]):
    """A queue for one reader that drops its oldest item when it is full, and counts the drops.

    `put` and `end` are called on the event loop. After `end`, what is queued is still read; then
    every `get` raises `EndOfStreamError`.

    Args:
        capacity: Items it holds at most.
        weight: What they may weigh together, but for the newest; `None` if they weigh nothing.
    """

    def __init__(self, capacity: int, weight: int | None = None) -> None:
        if capacity < 1:
            raise ValueError("the capacity of a ring is at least 1")
        self.dropped = 0
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._room = weight
        self._weights: deque[int] = deque()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._read = Signal()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def oldest(self) -> T | None:
        """What is read next, if there is anything."""
        return self._items[0] if self._items else None

    @property
    def ended(self) -> bool:
        """Whether the producer has ended; queued items may remain."""
        return self._ended

    def put(self, item: T, weight: int = 0) -> None:
        """Append an item; drops the oldest when full, and the item itself after the end."""
        if self._ended:
            self.dropped += 1
            return
        if len(self._items) == self._capacity:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        if self._room is not None:
            self._weigh(weight)
        self._wake()

    def end(self) -> None:
        """Mark the end; idempotent."""
        self._ended = True
        self._wake()
        self._read.notify()

    def clear(self) -> None:
        """Discard what is queued; counts as dropped."""
        self.dropped += len(self._items)
        self._items.clear()

    async def get(self) -> T:
        """Wait for the oldest item.

        Raises:
            EndOfStreamError: If the producer has ended and nothing is left.
            RuntimeError: If another task is waiting here already.
        """
        if self._waiter is not None:
            raise RuntimeError("another task is already reading this stream")
        while not self._items:
            if self._ended:
                raise EndOfStreamError("the track has ended")
            self._waiter = asyncio.get_running_loop().create_future()
            self._read.notify()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._items.popleft()

    async def wait_until_read(self) -> None:
        """Wait until everything was read, and the reader is back for more; or until the end."""
        while not self._ended and (self._items or self._waiter is None):
            await self._read.wait()

    def _weigh(self, weight: int) -> None:
        """Note what the newest item weighs, and drop the oldest while all are too heavy."""
        self._weights.append(weight)
        while len(self._weights) > len(self._items):  # those were read, or dropped
            self._weights.popleft()
        assert self._room is not None
        while len(self._items) > 1 and sum(self._weights) > self._room:
            self._items.popleft()
            self._weights.popleft()
            self.dropped += 1

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
