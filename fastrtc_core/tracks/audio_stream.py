"""`AudioStream`: an asynchronous iterator over the audio of a track."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError, EndOfStreamError, InvalidFrameError
from ..frames import AudioFrame, samples_per_frame
from ..media.framer import Framer
from .remote import RemoteAudioTrack
from .ring import Ring

DEFAULT_CAPACITY = 50
"""Frames that a stream holds when no capacity is given: 1 s of 20 ms frames."""


@dataclass(frozen=True)
class AudioFrameEvent:
    """One frame of an `AudioStream`."""

    frame: AudioFrame


class AudioStream:
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
        self._track = track
        self._ring: Ring[AudioFrame] = Ring(capacity or DEFAULT_CAPACITY)
        self._framer = Framer(sample_rate, num_channels, frame_size)
        track._attach(self)

    @property
    def dropped(self) -> int:
        """Frames that were lost because the reader was slow."""
        return self._ring.dropped

    async def read(self) -> AudioFrame:
        """Wait for the next frame.

        Raises:
            EndOfStreamError: If the track has ended and everything was read.
            RuntimeError: If another task is reading already.
        """
        return await self._ring.get()

    def __aiter__(self) -> AudioStream:
        return self

    async def __anext__(self) -> AudioFrameEvent:
        try:
            return AudioFrameEvent(await self.read())
        except EndOfStreamError:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Stop reading: discards what is buffered and wakes a waiting reader; idempotent."""
        self._track._detach(self)
        self._ring.clear()
        self._ring.end()

    async def __aenter__(self) -> AudioStream:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _push(self, frame: AudioFrame) -> None:
        for cut in self._framer.push(frame):
            self._ring.put(cut)

    def _end(self) -> None:
        for cut in self._framer.flush():
            self._ring.put(cut)
        self._ring.end()
