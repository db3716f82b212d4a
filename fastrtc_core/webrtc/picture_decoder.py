"""Encoded pictures to `av.VideoFrame`s, on the threads that all sessions share."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av

from ..media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame, elapsed_ticks
from .workers import picture_workers

logger = logging.getLogger(__name__)

DECODERS = {"video/vp8": "libvpx", "video/h264": "h264"}
"""FFmpeg's names of them, by MIME type."""

_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)


class PictureDecoder:
    """Decodes one picture after the other, in order; the thread of the event loop only waits.

    Args:
        show: Given each picture, on the event loop.
        damaged: Called there where one could not be decoded.

    Attributes:
        failed: How many could not be decoded.
    """

    def __init__(self, show: Callable[[av.VideoFrame], None], damaged: Callable[[], None]) -> None:
        self.failed = 0
        self._show = show
        self._damaged = damaged
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[EncodedVideoFrame, int]] = deque()
        self._working: asyncio.Future[list[av.VideoFrame]] | None = None
        self._codec = ""
        self._decoder: Any = None
        self._last: int | None = None
        """The timestamp of the latest picture, and its time since the first one."""
        self._time = 0
        self._pushed = 0.0
        """When that came, and of which layer it was."""
        self._layer = ""

    def __len__(self) -> int:
        """How many pictures wait."""
        return len(self._waiting)

    def push(self, frame: EncodedVideoFrame) -> None:
        """Decode a picture next; its time is that since the first one."""
        now = self._loop.time()
        if self._last is not None:
            if frame.layer == self._layer:
                self._time += elapsed_ticks(self._last, frame.timestamp)
            else:  # each layer counts from a beginning of its own
                self._time += max(1, round((now - self._pushed) * VIDEO_CLOCK_RATE))
        self._last, self._pushed, self._layer = frame.timestamp, now, frame.layer
        self._waiting.append((frame, self._time))
        self._work()

    def close(self) -> None:
        """Show nothing more; idempotent."""
        self._waiting.clear()
        self._show = lambda frame: None
        self._damaged = lambda: None

    def _work(self) -> None:
        if self._working is None and self._waiting:
            frame, time = self._waiting.popleft()
            self._working = self._loop.run_in_executor(picture_workers(), self._decode, frame, time)
            self._working.add_done_callback(self._finish)

    def _decode(self, frame: EncodedVideoFrame, time: int) -> list[av.VideoFrame]:
        if frame.codec != self._codec:
            self._decoder = av.CodecContext.create(DECODERS[frame.codec], "r")
            self._decoder.thread_count = 1  # several would hold pictures back
            self._codec = frame.codec
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = time, _TIME_BASE
        decoded: list[av.VideoFrame] = self._decoder.decode(packet)
        return decoded

    def _finish(self, working: asyncio.Future[list[av.VideoFrame]]) -> None:
        self._working = None
        if not working.cancelled():
            if working.exception() is None:
                for picture in working.result():
                    self._show(picture)
            else:
                # The decoder stays as it is: a new one could do nothing before the next keyframe.
                logger.debug("a picture could not be decoded", exc_info=working.exception())
                self.failed += 1
                self._damaged()
        self._work()
