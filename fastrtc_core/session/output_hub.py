"""Where a session's additional outputs go: the latest one is kept, subscribers get each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

from ..errors import EndOfStreamError
from ..outputs import AdditionalOutputs
from ..tracks.ring import Ring

CAPACITY = 64
"""Outputs that wait for a subscriber, a slow one or the next one; then the oldest are dropped."""

_Ring = Ring[AdditionalOutputs]


class OutputHub:
    """Fans additional outputs out to subscribers on any event loop.

    While nobody subscribes, outputs wait for the next subscriber: one that comes a moment after the
    session has begun, or comes back, misses nothing.

    Attributes:
        latest: The latest output, if there is one.
        dropped: Outputs that were dropped because nobody read them in time.
        ended: Whether the session has ended.
    """

    def __init__(self) -> None:
        self.latest: AdditionalOutputs | None = None
        self.dropped = 0
        self._waiting: _Ring | None = Ring(CAPACITY)
        self._subscribers: dict[_Ring, asyncio.AbstractEventLoop] = {}
        self.ended = False
        # Subscribers may live on other event loops than the session.
        self._lock = threading.Lock()

    @property
    def subscribers(self) -> int:
        """Who reads them now."""
        return len(self._subscribers)

    @property
    def waiting(self) -> int:
        """Outputs that wait for the next subscriber."""
        return 0 if self._waiting is None else len(self._waiting)

    def publish(self, outputs: AdditionalOutputs) -> None:
        """Keep an output and hand it to every subscriber."""
        with self._lock:
            self.latest = outputs
            if self._waiting is not None:
                self._put(self._waiting, outputs)
            for ring, loop in self._subscribers.items():
                _call(loop, self._deliver, ring, outputs)

    def end(self) -> None:
        """End every subscription after what it holds; idempotent."""
        with self._lock:
            self.ended = True
            if self._waiting is not None:
                self._waiting.end()
            for ring, loop in self._subscribers.items():
                _call(loop, ring.end)

    def subscribe(self) -> AsyncGenerator[AdditionalOutputs, None]:
        """Every output from this call on until the session ends; called on an event loop.

        The first subscriber, and the next one after a time without any, gets what waits as well.
        """
        with self._lock:
            ring = Ring(CAPACITY) if self._waiting is None else self._waiting
            self._waiting = None
            self._add(ring)
        return self._read(ring)

    async def fetch(self, timeout: float) -> AdditionalOutputs | None:
        """The latest output; waits up to `timeout` s for the first one. `None` if there is none.

        What waits for a subscriber is forgotten: somebody who fetches has seen it.
        """
        with self._lock:
            first: _Ring | None = None if self.latest is not None else Ring(1)
            if first is not None:
                self._add(first)
        if first is not None:
            try:
                async with asyncio.timeout(timeout):
                    await first.get()
            except (TimeoutError, EndOfStreamError):
                pass
            finally:
                with self._lock:
                    self._remove(first, Ring(CAPACITY))
        with self._lock:
            if self._waiting is not None:
                self._waiting.clear()
            return self.latest

    async def _read(self, ring: _Ring) -> AsyncGenerator[AdditionalOutputs, None]:
        try:
            while True:
                try:
                    yield await ring.get()
                except EndOfStreamError:
                    return
        finally:
            with self._lock:
                self._remove(ring, ring)  # what was not read waits for the next one

    # On the event loop of a subscriber

    def _deliver(self, ring: _Ring, outputs: AdditionalOutputs) -> None:
        with self._lock:
            self._put(ring, outputs)

    # With the lock held

    def _add(self, ring: _Ring) -> None:
        self._subscribers[ring] = asyncio.get_running_loop()
        if self.ended:
            ring.end()

    def _remove(self, ring: _Ring, left: _Ring) -> None:
        """Remove a subscriber; where it was the last one, outputs wait in `left` from now on."""
        del self._subscribers[ring]
        if not self._subscribers and self._waiting is None:
            self._waiting = left
            if self.ended:
                left.end()

    def _put(self, ring: _Ring, outputs: AdditionalOutputs) -> None:
        dropped = ring.dropped
        ring.put(outputs)
        self.dropped += ring.dropped - dropped


def _call(loop: asyncio.AbstractEventLoop, function: object, *args: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)  # type: ignore[arg-type]
