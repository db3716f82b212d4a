"""`AudioStream`: an asynchronous iterator over the audio of a track."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError, InvalidFrameError
from ..frames import AudioFrame, samples_per_frame
from ..media.framer import Framer
from .remote import RemoteAudioTrack
from .stream import TrackStream

DEFAULT_CAPACITY = 50
"""Frames that a stream holds when no capacity is given: 1 s of 20 ms frames."""


@dataclass(frozen=True)
class AudioFrameEvent:
    """One frame of an `AudioStream`."""

    frame: AudioFrame


class AudioStream(TrackStream[AudioFrame, AudioFrameEvent]):
    """Yields the audio of a track at the rate, layout and frame length that the reader wants.

    Buffering starts at construction. A reader that is slow loses the oldest frames (`dropped`
    counts them). When the track ends, what is buffered is still yielded.

    Args:
        track: The track to read.
        capacity: Frames to hold at most; 0 for one second's worth.
        sample_rate: Rate of the frames in Hz; 20 ms of it must be a whole number of samples.
        num_channels: 1 or 2.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(
        self,
        track: RemoteAudioTrack,
        capacity: int = 0,
        sample_rate: int = 48000,
        num_channels: int = 1,
    ) -> None:
        try:
            frame_size = samples_per_frame(sample_rate)
        except InvalidFrameError as error:
            raise ConfigurationError(str(error)) from None
        if num_channels not in (1, 2) or capacity < 0:
            raise ConfigurationError("a stream has 1 or 2 channels and a capacity of 0 or more")
        self._framer = Framer(sample_rate, num_channels, frame_size)
        super().__init__(track, capacity or DEFAULT_CAPACITY)

    def _event(self, frame: AudioFrame) -> AudioFrameEvent:
        return AudioFrameEvent(frame)

    def _push(self, frame: AudioFrame) -> None:
        for cut in self._framer.push(frame):
            super()._push(cut)

    def _end(self) -> None:
        for cut in self._framer.flush():
            super()._push(cut)
        super()._end()
