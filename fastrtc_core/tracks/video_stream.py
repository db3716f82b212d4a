"""`VideoStream`: an asynchronous iterator over the video of a track."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

import av

from ..errors import ConfigurationError
from ..media.pictures import PictureConverter
from .participant import Participant, TrackSource
from .track import Track
from .track_stream import Readable, TrackStream


@dataclass(frozen=True)
class VideoFrameEvent:
    """One frame of a `VideoStream`."""

    frame: av.VideoFrame


class VideoStream(TrackStream[av.VideoFrame, VideoFrameEvent]):
    """Yields the pictures of a track; a slow reader gets the latest and `dropped` counts the rest.

    Each stream yields frame objects of its own, so that what one reader converts, on whatever
    thread, is safe from all others. The pixels are shared: convert a frame, and do not write into
    its planes.

    Args:
        track: The track to read.
        loop: The event loop of the reader; see `TrackStream`.
        capacity: Pictures to hold at most; 1, or 0, keeps the latest alone.

    Raises:
        ConfigurationError: If the capacity is negative.
    """

    def __init__(
        self,
        track: Track[av.VideoFrame],
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 1,
    ) -> None:
        self._open(track, loop, capacity)

    @classmethod
    def from_track(
        cls,
        *,
        track: Track[av.VideoFrame],
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 1,
    ) -> Self:
        """The same as the constructor."""
        return cls(track, loop, capacity)

    @classmethod
    def from_participant(
        cls,
        *,
        participant: Participant,
        track_source: TrackSource = "camera",
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 1,
    ) -> Self:
        """A stream over whatever a participant publishes as this, until it leaves."""
        stream = cls.__new__(cls)
        stream._open(participant.publication(track_source), loop, capacity)
        return stream

    def _open(self, track: Readable, loop: asyncio.AbstractEventLoop | None, capacity: int) -> None:
        if capacity < 0:
            raise ConfigurationError("a stream has a capacity of 0 or more")
        super().__init__(track, max(1, capacity), loop)
        self._pictures = PictureConverter()

    async def read(self) -> av.VideoFrame:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the track has ended and everything was read.
            RuntimeError: If another task is reading already.
        """
        return self._pictures.own(await super().read())

    def _event(self, frame: av.VideoFrame) -> VideoFrameEvent:
        return VideoFrameEvent(frame)
