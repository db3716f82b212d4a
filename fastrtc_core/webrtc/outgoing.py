"""A session's local tracks as aiortc's sender pulls them."""

from __future__ import annotations

import logging
from collections import deque
from fractions import Fraction

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import VIDEO_CLOCK_RATE, MediaStreamError

from ..errors import EndOfStreamError
from ..tracks import LocalAudioTrack, LocalVideoTrack
from .opus import OpusEncoder

logger = logging.getLogger(__name__)

_VIDEO_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)


class OutgoingAudio(MediaStreamTrack):
    """Gives aiortc encoded packets, so that nothing of ours depends on its executor.

    Args:
        track: What to send.
    """

    kind = "audio"

    def __init__(self, track: LocalAudioTrack) -> None:
        super().__init__()
        self._track = track
        self._encoder = OpusEncoder(track.source.sample_rate, track.source.num_channels)
        self._packets: deque[av.Packet] = deque()

    async def recv(self) -> av.Packet:
        """Wait for the next packet. It ends only with its source: aiortc's sender would stop."""
        while not self._packets:
            try:
                timed = await self._track.next_frame()
            except EndOfStreamError:
                self.stop()
                raise MediaStreamError from None
            try:
                self._packets.extend(self._encoder.encode(timed))
            except av.FFmpegError:
                logger.exception("20 ms of audio could not be encoded")
        return self._packets.popleft()


class OutgoingVideo(MediaStreamTrack):
    """Gives aiortc pictures, timed by the clock of the session.

    Args:
        track: What to send.
    """

    kind = "video"

    def __init__(self, track: LocalVideoTrack) -> None:
        super().__init__()
        self._track = track

    async def recv(self) -> av.VideoFrame:
        """Wait for the next picture."""
        try:
            frame, time = await self._track.next_frame()
        except EndOfStreamError:
            self.stop()
            raise MediaStreamError from None
        frame.pts = round(time * VIDEO_CLOCK_RATE)
        frame.time_base = _VIDEO_TIME_BASE
        return frame
