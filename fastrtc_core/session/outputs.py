"""Where a session's additional outputs go: the latest one is kept, subscribers get each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ..errors import EndOfStreamError
from ..outputs import AdditionalOutputs
from ..tracks.ring import Ring

CAPACITY = 64
"""Outputs that a slow subscriber may have waiting; then its oldest are dropped."""


class OutputHub:
    """Fans additional outputs out to subscribers on any event loop."""

    def __init__(self) -> None:
        self.latest: AdditionalOutputs | None = None
        self._subscribers: dict[Ring[AdditionalOutputs], asyncio.AbstractEventLoop] = {}
        self._ended = False

    def publish(self, outputs: AdditionalOutputs) -> None:
        """Keep an output and hand it to every subscriber."""
        self.latest = outputs
        for ring, loop in tuple(self._subscribers.items()):
            _call(loop, ring.put, outputs)

    def end(self) -> None:
        """End every subscription after what it holds."""
        self._ended = True
        for ring, loop in tuple(self._subscribers.items()):
            _call(loop, ring.end)

    def subscribe(self) -> AsyncIterator[AdditionalOutputs]:
        """Every output from this call on until the session ends; called on an event loop."""
        ring: Ring[AdditionalOutputs] = Ring(CAPACITY)
        if self._ended:
            ring.end()
        else:
            self._subscribers[ring] = asyncio.get_running_loop()
        return self._read(ring)

    async def _read(self, ring: Ring[AdditionalOutputs]) -> AsyncIterator[AdditionalOutputs]:
        try:
            while True:
                try:
                    yield await ring.get()
                except EndOfStreamError:
                    return
        finally:
            self._subscribers.pop(ring, None)


def _call(loop: asyncio.AbstractEventLoop, function: object, *args: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)  # type: ignore[arg-type]
