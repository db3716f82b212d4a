"""Local tracks: what goes out, paced by the clock of its session.

Either a transport pulls a track, or it is pulled for its own streams, from the first one on.
Streams hear in both cases what leaves.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import NamedTuple, Self, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import EndOfStreamError
from ..frames import FRAME_DURATION, AudioFrame
from ..media.pacing import Pacer, QueueState
from ..media.session_clock import SessionClock
from .audio_source import AudioSource
from .drive import Drive
from .signal import Signal
from .stats import TrackKind
from .track import Forgetful, Reader, Track
from .video_source import VideoSource

F = TypeVar("F")


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


class _LocalTrack(Track[F]):
    """What audio and video have in common.

    Args:
        clock: The clock of the session, which its tracks share; without one it starts at the first
            pull.
        name: What its publisher calls it.
        published: Whether a transport is going to pull it.
    """

    def __init__(self, clock: SessionClock | None, name: str, published: bool) -> None:
        super().__init__(name)
        self.published = published
        self._clock = clock
        self._drive: Drive | None = None

    @property
    @abstractmethod
    def _changed(self) -> Signal: ...

    @abstractmethod
    def _pull_due(self, now: float) -> float | None: ...

    def end(self) -> None:
        """End the track and with it every stream; idempotent."""
        super().end()
        self._stop_drive()

    def _attach(self, reader: Reader[F]) -> None:
        super()._attach(reader)
        if not self.published and not self.ended and self._drive is None:
            self._drive = Drive(self)

    def _claim(self) -> None:
        """A transport pulls from now on."""
        self.published = True
        self._stop_drive()

    def _stop_drive(self) -> None:
        if self._drive is not None:
            self._drive.stop()
            self._drive = None

    def _clock_from(self, now: float) -> SessionClock:
        if self._clock is None:
            self._clock = SessionClock(now)
        return self._clock


class LocalAudioTrack(_LocalTrack[AudioFrame]):
    """Pulls frames from a source, each when it is due; silent while the source is empty.

    Args:
        source: What to play.
        clock: The clock of the session, which its tracks share; without one it starts at the first
            pull.
        name: What its publisher calls it.
        published: Whether a transport is going to pull it.

    Attributes:
        source: What it plays.
        arrived: Up to which sample of the source the other side is known to have got it, where the
            transport learns of that.
    """

    kind: TrackKind = "audio"

    def __init__(
        self,
        source: AudioSource,
        clock: SessionClock | None = None,
        *,
        name: str = "",
        published: bool = False,
    ) -> None:
        super().__init__(clock, name, published)
        self.source = source
        self.arrived: int | None = None
        self._pacer: Pacer | None = None
        self._was_muted = False
        self.set_frame_duration(FRAME_DURATION)

    @classmethod
    def create_audio_track(cls, name: str, source: AudioSource) -> Self:
        """A track of that name, which is not published yet."""
        return cls(source, name=name)

    def set_frame_duration(self, duration: float) -> None:
        """Pull frames of so many s, a multiple of 10 ms, from the next one on."""
        self._frame_size = round(duration * self.source.sample_rate)
        if self._pacer is not None:
            self._pacer.frame_size = self._frame_size

    async def next_frame(self) -> TimedAudioFrame:
        """Wait until the next frame is due, and take it; for the transport.

        Raises:
            EndOfStreamError: If the source is closed.
        """
        self._claim()
        source = self.source
        loop = asyncio.get_running_loop()
        pacer = self._pacer_from(loop.time())
        while not source.closed:
            now = loop.time()
            queue = source._state()
            departure = pacer.next_departure(now, queue)
            if departure is None or departure > now:
                await source._changed.wait(until=departure)
            elif timed := self._take(pacer, now, queue):
                return timed
        self.end()
        raise EndOfStreamError("the source of the track is closed")

    @property
    def on_the_way(self) -> float:
        """How much of what was sent is not known to have arrived, in s."""
        if self.arrived is None:
            return 0.0
        return max(0, self.source.played - self.arrived) / self.source.sample_rate

    def take_back(self, duration: float) -> None:
        """The end of what was sent, so many s, is not played: the client discards it.

        For the transport. A recording forgets it; a stream has read it, perhaps.
        """
        count = round(duration * self.source.sample_rate)
        for reader in tuple(self._readers):
            if isinstance(reader, Forgetful):
                reader._take_back(count)

    @property
    def _changed(self) -> Signal:
        return self.source._changed

    def _pull_due(self, now: float) -> float | None:
        source = self.source
        pacer = self._pacer_from(now)
        while not source.closed:
            queue = source._state()
            departure = pacer.next_departure(now, queue)
            if departure is None or departure > now:
                return departure
            self._take(pacer, now, queue)
        self.end()
        return None

    def _pacer_from(self, now: float) -> Pacer:
        if self._pacer is None:
            rate = self.source.sample_rate
            self._pacer = Pacer(rate, self._frame_size, self._clock_from(now))
        return self._pacer

    def _take(self, pacer: Pacer, now: float, queue: QueueState) -> TimedAudioFrame | None:
        """Take one frame, which is due; `None` if it is lost because the track is muted."""
        rate = self.source.sample_rate
        timestamp, resumed = pacer.depart(now, queue)
        data = self.source._pull(self._frame_size)
        if self._muted:
            self._was_muted = True
            return None
        resumed, self._was_muted = resumed or self._was_muted, False
        self._deliver(AudioFrame(rate, data))
        return TimedAudioFrame(rate, data, timestamp, resumed)


class LocalVideoTrack(_LocalTrack[av.VideoFrame]):
    """Takes each picture from its source as soon as it is there, and times it.

    Args:
        source: What to show.
        clock: The clock of the session, which its tracks share; without one it starts at the first
            pull.
        name: What its publisher calls it.
        published: Whether a transport is going to pull it.
    """

    kind: TrackKind = "video"

    def __init__(
        self,
        source: VideoSource,
        clock: SessionClock | None = None,
        *,
        name: str = "",
        published: bool = False,
    ) -> None:
        super().__init__(clock, name, published)
        self.source = source
        self._last = 0.0

    @classmethod
    def create_video_track(cls, name: str, source: VideoSource) -> Self:
        """A track of that name, which is not published yet."""
        return cls(source, name=name)

    async def next_frame(self) -> TimedVideoFrame:
        """Wait for the next picture; for the transport.

        Raises:
            EndOfStreamError: If the source is closed.
        """
        self._claim()
        while not self.source.closed:
            frame = self.source._take()
            if frame is None:
                await self._changed.wait()
            elif not self._muted:
                now = asyncio.get_running_loop().time()
                # The clock may be moved between two pictures; they stay in order.
                self._last = max(self._last, self._clock_from(now).time(now))
                self._deliver(frame)
                return TimedVideoFrame(frame, self._last)
        self.end()
        raise EndOfStreamError("the source of the track is closed")

    @property
    def _changed(self) -> Signal:
        return self.source._changed

    def _pull_due(self, now: float) -> float | None:
        while (frame := self.source._take()) is not None:
            self._deliver(frame)
        if self.source.closed:
            self.end()
        return None
