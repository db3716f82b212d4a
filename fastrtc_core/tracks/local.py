"""Local tracks: what goes out, paced by the clock of its session."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import EndOfStreamError
from ..media.clock import SessionClock
from ..media.pacing import Pacer
from .audio_source import AudioSource
from .video_source import VideoSource


class TimedAudioFrame(NamedTuple):
    """The audio of one outgoing packet.

    Attributes:
        sample_rate: Rate in Hz.
        data: int16 samples of shape `(channels, samples)`.
        timestamp: Its first sample, counted at `sample_rate` from the start of the session.
        resumed: Whether silence lies between it and the frame before.
    """

    sample_rate: int
    data: NDArray[np.int16]
    timestamp: int
    resumed: bool


class TimedVideoFrame(NamedTuple):
    """One outgoing picture.

    Attributes:
        frame: The picture.
        time: When it was taken from its source, in s by the clock of the session.
    """

    frame: av.VideoFrame
    time: float


class LocalAudioTrack:
    """Pulls frames from a source, each when it is due; silent while the source is empty.

    Args:
        source: What to play.
        clock: The clock of the session, which its tracks share.
    """

    kind = "audio"

    def __init__(self, source: AudioSource, clock: SessionClock) -> None:
        self.source = source
        self._clock = clock
        self.set_frame_duration(0.02)

    def set_frame_duration(self, duration: float) -> None:
        """Pull frames of so many s, a multiple of 20 ms; called before the first is pulled."""
        rate = self.source.sample_rate
        self._frame_size = round(duration * rate)
        self._pacer = Pacer(rate, self._frame_size, self._clock)

    async def next_frame(self) -> TimedAudioFrame:
        """Wait until the next frame is due, and take it.

        Raises:
            EndOfStreamError: If the source is closed.
        """
        source = self.source
        loop = asyncio.get_running_loop()
        while not source.closed:
            now = loop.time()
            queue = source._state()
            departure = self._pacer.next_departure(now, queue)
            if departure is None or departure > now:
                await source._changed.wait(until=departure)
                continue
            timestamp, resumed = self._pacer.depart(now, queue)
            return TimedAudioFrame(
                source.sample_rate, source._pull(self._frame_size), timestamp, resumed
            )
        raise EndOfStreamError("the source of the track is closed")


class LocalVideoTrack:
    """Takes each picture from its source as soon as it is there, and times it.

    Args:
        source: What to show.
        clock: The clock of the session, which its tracks share.
    """

    kind = "video"

    def __init__(self, source: VideoSource, clock: SessionClock) -> None:
        self.source = source
        self._clock = clock
        self._latest = 0.0

    async def next_frame(self) -> TimedVideoFrame:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the source is closed.
        """
        frame = await self.source._pull()
        if frame is None:
            raise EndOfStreamError("the source of the track is closed")
        # The clock may be moved between two pictures; they stay in order.
        self._latest = max(self._latest, self._clock.time(asyncio.get_running_loop().time()))
        return TimedVideoFrame(frame, self._latest)
