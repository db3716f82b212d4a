"""What audio and video streams share: a ring that a track fills and one reader empties."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from ..errors import EndOfStreamError
from ..threads import running_loop
from .ring import Ring

F = TypeVar("F")
E = TypeVar("E")


class StreamStatistics(NamedTuple):
    """Frames of a stream since its construction; `received = read + queued + dropped`.

    Attributes:
        received: Frames that came.
        read: Frames that were read.
        queued: Frames that wait to be read.
        dropped: Frames that were lost because the reader was slow, or closed the stream.
    """

    received: int
    read: int
    queued: int
    dropped: int


class Readable(Protocol):
    """What a stream reads: a track, or what somebody publishes under one name."""

    def _attach(self, reader: Any) -> None: ...
    def _detach(self, reader: Any) -> None: ...


class TrackStream(ABC, Generic[F, E]):
    """An asynchronous iterator over the frames of a track.

    Args:
        track: The track to read; it fills the stream from now on.
        capacity: Frames to hold at most; then the oldest is dropped.
        loop: The event loop of the reader, if it is another one than that of the track, on which
            the stream is made. It may run on another thread.
    """

    def __init__(
        self, track: Readable, capacity: int, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._track = track
        self._ring: Ring[F] = Ring(capacity)
        self._capacity = capacity
        self._loop = None if loop is running_loop() else loop
        # Each is written on one thread alone.
        self._received = self._arrived = self._lost = self._read = 0
        track._attach(self)

    @property
    def dropped(self) -> int:
        """Frames that were lost because the reader was slow."""
        return self._ring.dropped + self._lost

    def statistics(self) -> StreamStatistics:
        """What became of all frames so far."""
        queued = self._received - self._read - self.dropped
        return StreamStatistics(self._received, self._read, queued, self.dropped)

    async def read(self) -> F:
        """Wait for the next frame.

        Raises:
            EndOfStreamError: If the track has ended and everything was read.
            RuntimeError: If another task is reading already.
        """
        frame = await self._ring.get()
        self._read += 1
        return frame

    async def wait_until_read(self) -> None:
        """Wait until all there is was read, and the reader is back for more; or until the end."""
        await self._ring.wait_until_read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        try:
            return self._event(await self.read())
        except EndOfStreamError:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Stop reading: discards what is buffered and wakes a waiting reader; idempotent."""
        self._track._detach(self)
        self._ring.clear()
        self._ring.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    @abstractmethod
    def _event(self, frame: F) -> E:
        """What iteration yields for a frame."""

    # The side of the track

    def _push(self, frame: F) -> None:
        self._received += 1
        if self._loop is None:
            self._ring.put(frame)
        elif self._received - self._lost - self._arrived > self._capacity:
            self._lost += 1  # so many are on their way to a loop that does not take them
        else:
            self._cross(self._arrive, frame)

    def _end(self) -> None:
        if self._loop is None:
            self._ring.end()
        else:
            self._cross(self._ring.end)

    # To the event loop of the reader

    def _cross(self, function: Any, *args: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # it is closed, and nobody reads any more
            self._track._detach(self)

    def _arrive(self, frame: F) -> None:
        self._arrived += 1
        self._ring.put(frame)
