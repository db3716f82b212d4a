"""Local tracks: what goes out, paced by the clock of its session."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import EndOfStreamError
from ..media.pacing import Pacer
from .audio_source import AudioSource
from .video_source import VideoSource


class TimedAudioFrame(NamedTuple):
    """20 ms of outgoing audio.

    Attributes:
        sample_rate: Rate in Hz.
        data: int16 samples of shape `(channels, samples)`.
        timestamp: Its first sample, counted at `sample_rate` from the epoch of the session.
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
        time: When it was taken from its source, in s since the epoch of the session.
    """

    frame: av.VideoFrame
    time: float


class LocalAudioTrack:
    """Pulls 20 ms frames from a source, each when it is due; silent while the source is empty.

    Args:
        source: What to play.
        epoch: Loop time in s at which timestamps are 0; the tracks of a session share it.
    """

    kind = "audio"

    def __init__(self, source: AudioSource, epoch: float) -> None:
        self.source = source
        self._pacer = Pacer(source.sample_rate, source.frame_size, epoch)

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
            return TimedAudioFrame(source.sample_rate, source._pull(), timestamp, resumed)
        raise EndOfStreamError("the source of the track is closed")


class LocalVideoTrack:
    """Takes each picture from its source as soon as it is there, and times it.

    Args:
        source: What to show.
        epoch: Loop time in s at which timestamps are 0; the tracks of a session share it.
    """

    kind = "video"

    def __init__(self, source: VideoSource, epoch: float) -> None:
        self.source = source
        self._epoch = epoch

    async def next_frame(self) -> TimedVideoFrame:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the source is closed.
        """
        frame = await self.source._pull()
        if frame is None:
            raise EndOfStreamError("the source of the track is closed")
        return TimedVideoFrame(frame, asyncio.get_running_loop().time() - self._epoch)
