"""`VideoStream`: an asynchronous iterator over the video of a track."""

from __future__ import annotations

from dataclasses import dataclass

import av

from ..errors import EndOfStreamError
from .remote import RemoteVideoTrack
from .ring import Ring


@dataclass(frozen=True)
class VideoFrameEvent:
    """One frame of a `VideoStream`."""

    frame: av.VideoFrame


class VideoStream:
    """Yields the pictures of a track; a slow reader gets the latest and `dropped` counts the rest.

    Args:
        track: The track to read.
        capacity: Pictures to hold at most; 1 keeps the latest alone.
    """

    def __init__(self, track: RemoteVideoTrack, capacity: int = 1) -> None:
        self._track = track
        self._ring: Ring[av.VideoFrame] = Ring(capacity)
        track._attach(self)

    @property
    def dropped(self) -> int:
        """Pictures that were replaced by a later one before they were read."""
        return self._ring.dropped

    async def read(self) -> av.VideoFrame:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the track has ended and everything was read.
            RuntimeError: If another task is reading already.
        """
        return await self._ring.get()

    def __aiter__(self) -> VideoStream:
        return self

    async def __anext__(self) -> VideoFrameEvent:
        try:
            return VideoFrameEvent(await self.read())
        except EndOfStreamError:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Stop reading and wake a waiting reader; idempotent."""
        self._track._detach(self)
        self._ring.clear()
        self._ring.end()

    async def __aenter__(self) -> VideoStream:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _push(self, frame: av.VideoFrame) -> None:
        self._ring.put(frame)

    def _end(self) -> None:
        self._ring.end()
