"""`aiter_source`: the blocks of a source in `async for`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

from ..errors import ConfigurationError, EndOfStreamError
from ..usercode import guarded
from .block import Block
from .interface import SourceInterface
from .queue import BlockQueue
from .tap import Tap

CAPACITY = 50
"""Blocks that wait for a reader when nothing else is asked for: 1 s of 20 ms blocks."""


class SourceIterator:
    """An asynchronous iterator over the blocks of a source; see `aiter_source`."""

    def __init__(self, source: SourceInterface, capacity: int) -> None:
        if capacity < 1:
            raise ConfigurationError("the capacity is at least 1 block")
        # The tap knows the queue alone: an iterator that nobody holds any more can be collected.
        self._queue = BlockQueue(capacity, wait=not source.live)
        self._tap = Tap(source, self._queue.put, self._queue.end)
        self._state = "new"

    @property
    def dropped(self) -> int:
        """Blocks that were lost because the reader was slow."""
        return self._queue.dropped

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Block:
        if self._state == "new":
            self._state = "started"
            try:
                await guarded(asyncio.to_thread(self._tap.start))
            except BaseException:
                self._state = "closed"
                raise
        try:
            return await self._queue.get()
        except EndOfStreamError:
            await self.aclose()
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Stop the source; idempotent. What is queued is still read.

        Raises:
            Exception: What went wrong in the source.
        """
        state, self._state = self._state, "closed"
        self._queue.end()
        if state == "started":
            await guarded(asyncio.to_thread(self._tap.stop))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.aclose()
        except Exception:
            if error is None:
                raise

    def __del__(self) -> None:
        # After a `break` in `async for` nobody closes it. The collector must not wait for a thread.
        if getattr(self, "_state", "") == "started":
            threading.Thread(target=_stop, args=(self._tap,), daemon=True).start()


def _stop(tap: Tap) -> None:
    with contextlib.suppress(Exception):  # reported when it happened
        tap.stop()


def aiter_source(source: SourceInterface, *, capacity: int = CAPACITY) -> SourceIterator:
    """Read a source on an event loop.

    In `async for block in aiter_source(source)`, the first read starts the source, and its end
    stops it. With `async with aiter_source(source) as blocks` it is stopped where the context
    ends, too; after a `break` it is stopped soon.

    Args:
        source: The source; its callback is taken.
        capacity: Blocks that may wait for the reader. Beyond them, the oldest are dropped and
            counted in `dropped` if the source is live; any other waits.

    Raises:
        Exception: At the end of the iteration, what went wrong in the source.
    """
    return SourceIterator(source, capacity)
