"""`AVSynchronizer`: pictures and sound of one producer, together."""

from __future__ import annotations

from collections import deque
from typing import Self

import av

from ..errors import SourceClosedError
from ..frames import AudioFrame
from .audio_source import AudioSource
from .signal import Signal
from .video_source import VideoSource

AHEAD = 60
"""Pictures that may wait for their sound; then `push` waits."""


class AVSynchronizer:
    """Shows each picture when the sound of its time is played.

    For producers that do not make both in real time: an avatar, a film. The sound is played as its
    source plays it, pauses included, and the pictures follow. Where the source is cleared, the
    pictures of that time are dropped.

    It belongs to the event loop of the sources, and needs no task: it looks when the sound moves.

    Args:
        audio_source: Where the sound goes; nothing else pushes to it.
        video_source: Where the pictures go.

    Attributes:
        dropped: Pictures that were not shown because the one after them was due as well, or their
            sound was cleared.
    """

    def __init__(self, audio_source: AudioSource, video_source: VideoSource) -> None:
        self.dropped = 0
        self._audio = audio_source
        self._video = video_source
        self._pictures: deque[tuple[float, av.VideoFrame]] = deque()
        self._shown = Signal()
        self._pushed = 0.0
        """Time in s at which the sound ends that was pushed."""
        self._first = self._position()
        self._closed = False
        audio_source._changed.listen(self._look)

    @property
    def time(self) -> float:
        """Time in s of the sound that is played now, from the first that was pushed on."""
        return (self._position() - self._first) / self._audio.sample_rate

    async def push(self, frame: AudioFrame | av.VideoFrame, timestamp: float | None = None) -> None:
        """Take a frame of either kind; waits while too much waits already.

        Args:
            frame: Sound, without gaps: silence is pushed as well. Or a picture.
            timestamp: Time in s of a picture, from the beginning of the sound and not before that
                of the picture before it. By default the end of the sound that was pushed so far.

        Raises:
            InvalidFrameError: If the sound is not what its source takes.
            SourceClosedError: If the synchronizer or a source is closed, or is closed meanwhile.
        """
        if isinstance(frame, AudioFrame):
            self._check()
            self._pushed += frame.duration
            await self._audio.capture_frame(frame)
            return
        time = self._pushed if timestamp is None else timestamp
        while len(self._pictures) >= AHEAD and not self._closed:
            await self._shown.wait()
        self._check()
        self._pictures.append((time, frame))
        self._look()

    def close(self) -> None:
        """Show no more pictures; idempotent. The sources stay open."""
        self._closed = True
        self._audio._changed.forget(self._look)
        self.dropped += len(self._pictures)
        self._pictures.clear()
        self._shown.notify()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def _look(self) -> None:
        """Show the latest picture that is due."""
        now = self.time
        due = None
        while self._pictures and self._pictures[0][0] <= now:
            self.dropped += due is not None
            due = self._pictures.popleft()[1]
        if self._audio.closed or self._video.closed:
            self.close()
        elif due is not None:
            self._video.capture_frame(due)
            self._shown.notify()

    def _check(self) -> None:
        if self._closed:
            raise SourceClosedError("the synchronizer is closed")

    def _position(self) -> int:
        """Samples per channel that are over: played or cleared."""
        statistics = self._audio.statistics()
        return statistics.played + statistics.cleared
