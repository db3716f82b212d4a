"""`AudioStream`: an asynchronous iterator over the audio of a track."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Self

from ..errors import ConfigurationError
from ..frames import AudioFrame
from ..media.framer import Framer
from .participant import Participant, TrackSource
from .track import Track
from .track_stream import Readable, TrackStream

DEFAULT_FRAME_MS = 20.0


@dataclass(frozen=True)
class AudioFrameEvent:
    """One frame of an `AudioStream`: as `frame`, or as the bytes and numbers of a `PcmAudioFrame`.

    Attributes:
        frame: The frame.
    """

    frame: AudioFrame

    @property
    def data(self) -> bytes:
        """int16 samples, the low byte first and channels interleaved."""
        return self.frame.data.T.astype("<i2").tobytes()

    @property
    def sample_rate(self) -> int:
        """Samples per second (Hz)."""
        return self.frame.sample_rate

    @property
    def samples_per_channel(self) -> int:
        """Number of samples in each channel."""
        return self.frame.samples_per_channel

    @property
    def number_of_channels(self) -> int:
        """1 (mono) or 2 (stereo)."""
        return self.frame.num_channels

    @property
    def bytes_per_sample(self) -> int:
        """Of one channel: 2."""
        return 2


class AudioStream(TrackStream[AudioFrame, AudioFrameEvent]):
    """Yields the audio of a track at the rate, layout and frame length that the reader wants.

    Buffering starts at construction. A reader that is slow loses the oldest frames (`dropped`
    counts them). When the track ends, what is buffered is still yielded, a last short frame padded
    with silence.

    Args:
        track: The track to read; or none, and a participant.
        loop: The event loop of the reader; see `TrackStream`.
        capacity: Frames to hold at most; 0 for one second's worth.
        sample_rate: Rate of the frames in Hz.
        num_channels: 1 or 2.
        frame_size_ms: Length of the frames in ms, a whole number of samples; 20 by default.
        participant, track_source: Whose stream of what, in place of a track.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(
        self,
        track: Track[AudioFrame] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        *,
        frame_size_ms: float | None = None,
        participant: Participant | None = None,
        track_source: TrackSource = "microphone",
    ) -> None:
        if (track is None) == (participant is None):
            raise ConfigurationError("a stream reads either a track or a participant: name one")
        read = track if participant is None else participant.publication(track_source)
        assert read is not None
        self._open(read, loop, capacity, sample_rate, num_channels, frame_size_ms)

    @classmethod
    def from_track(
        cls,
        *,
        track: Track[AudioFrame],
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: float | None = None,
    ) -> Self:
        """The same as the constructor."""
        return cls(track, loop, capacity, sample_rate, num_channels, frame_size_ms=frame_size_ms)

    @classmethod
    def from_participant(
        cls,
        *,
        participant: Participant,
        track_source: TrackSource = "microphone",
        loop: asyncio.AbstractEventLoop | None = None,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
        frame_size_ms: float | None = None,
    ) -> Self:
        """A stream over whatever a participant publishes as this, until it leaves."""
        stream = cls.__new__(cls)
        publication = participant.publication(track_source)
        stream._open(publication, loop, capacity, sample_rate, num_channels, frame_size_ms)
        return stream

    def _open(
        self,
        track: Readable,
        loop: asyncio.AbstractEventLoop | None,
        capacity: int,
        sample_rate: int,
        num_channels: int,
        frame_size_ms: float | None,
    ) -> None:
        duration = (DEFAULT_FRAME_MS if frame_size_ms is None else frame_size_ms) / 1000
        frame_size = round(duration * sample_rate)
        if frame_size < 1 or not math.isclose(frame_size, duration * sample_rate):
            raise ConfigurationError(
                f"{1000 * duration:g} ms at {sample_rate} Hz are no whole number of samples"
            )
        if num_channels not in (1, 2) or capacity < 0:
            raise ConfigurationError("a stream has 1 or 2 channels and a capacity of 0 or more")
        self._frame_duration = duration
        self._framer = Framer(sample_rate, num_channels, frame_size)
        super().__init__(track, capacity or max(1, round(1 / duration)), loop)

    @property
    def room(self) -> float:
        """Audio in s that may still come before the oldest is dropped."""
        return (self._capacity - self.statistics().queued) * self._frame_duration

    def _event(self, frame: AudioFrame) -> AudioFrameEvent:
        return AudioFrameEvent(frame)

    def _push(self, frame: AudioFrame) -> None:
        for cut in self._framer.push(frame):
            super()._push(cut)

    def _put(self, cut: AudioFrame) -> None:
        """Add a frame that is cut already; for subclasses that cut by themselves."""
        super()._push(cut)

    def _end(self) -> None:
        for cut in self._framer.flush():
            super()._push(cut)
        super()._end()
