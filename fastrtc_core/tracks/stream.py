"""What audio and video streams share: a ring that a track fills and one reader empties."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, Self, TypeVar

from ..errors import EndOfStreamError
from .ring import Ring

F = TypeVar("F")
E = TypeVar("E")


class _Track(Protocol):
    def _attach(self, reader: Any) -> None: ...
    def _detach(self, reader: Any) -> None: ...


class TrackStream(ABC, Generic[F, E]):
    """An asynchronous iterator over the frames of a track.

    Args:
        track: The track to read; it fills the stream from now on.
        capacity: Frames to hold at most; then the oldest is dropped.
    """

    def __init__(self, track: _Track, capacity: int) -> None:
        self._track = track
        self._ring: Ring[F] = Ring(capacity)
        track._attach(self)

    @property
    def dropped(self) -> int:
        """Frames that were lost because the reader was slow."""
        return self._ring.dropped

    async def read(self) -> F:
        """Wait for the next frame.

        Raises:
            EndOfStreamError: If the track has ended and everything was read.
            RuntimeError: If another task is reading already.
        """
        return await self._ring.get()

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
        self._ring.put(frame)

    def _end(self) -> None:
        self._ring.end()
