"""The bounded way from the thread of a source to a reader on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from dataclasses import replace

from ..errors import EndOfStreamError
from .block import Block


class BlockQueue:
    """A queue that drops its oldest block when it is full, and counts it; or holds the source back.

    The block after one that was dropped is flagged.

    Args:
        capacity: Blocks that it holds at most.
        wait: Whether `put` waits for room instead.
    """

    def __init__(self, capacity: int, *, wait: bool) -> None:
        self.dropped = 0
        """Blocks that were lost because the reader was slow."""
        self._capacity = capacity
        self._wait = wait
        self._blocks: deque[Block] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._reader: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def put(self, block: Block) -> None:
        """Append a block; called on the thread of the source. After the end it is ignored."""
        with self._changed:
            if self._wait:
                self._changed.wait_for(lambda: self._ended or self._has_room)
            if self._ended:
                return
            self._blocks.append(block)
            if len(self._blocks) > self._capacity:
                self._blocks.popleft()
                self.dropped += 1
                self._blocks[0] = replace(self._blocks[0], discontinuity=True)
            self._wake()

    def end(self) -> None:
        """Let the reader have what is queued, and then the end; idempotent, on any thread."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            self._wake()

    async def get(self) -> Block:
        """Wait for the oldest block.

        Raises:
            EndOfStreamError: If nothing is left, and nothing will come.
            RuntimeError: If another task waits here already.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self._changed:
                if self._blocks:
                    self._changed.notify()
                    return self._blocks.popleft()
                if self._ended:
                    raise EndOfStreamError("the source has ended")
                if self._reader is not None:
                    raise RuntimeError("another task is already reading this source")
                future: asyncio.Future[None] = loop.create_future()
                self._reader = (loop, future)
            try:
                await future
            finally:
                self._reader = None

    @property
    def _has_room(self) -> bool:
        return len(self._blocks) < self._capacity

    def _wake(self) -> None:
        if self._reader is not None:
            loop, future = self._reader
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
