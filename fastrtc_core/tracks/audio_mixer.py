"""`AudioMixer`: many tracks in, one out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, InvalidFrameError
from ..frames import AudioFrame, samples_per_frame
from .mixer_input import MixerInput
from .remote import RemoteAudioTrack
from .track import Track


class AudioMixer:
    """Mixes what its inputs deliver, 20 ms at a time; an input that stalls delays no other.

    While no input delivers anything, nothing comes out and nothing is done. It belongs to the event
    loop on which it is made.

    Args:
        sample_rate: Of the mix, in Hz.
        num_channels: Of the mix, 1 or 2.

    Raises:
        ConfigurationError: If an argument is out of range.

    Attributes:
        track: The mix, for any number of streams.
    """

    def __init__(self, sample_rate: int = 48000, num_channels: int = 1) -> None:
        try:
            self._frame_size = samples_per_frame(sample_rate)
        except InvalidFrameError as error:
            raise ConfigurationError(str(error)) from None
        if num_channels not in (1, 2):
            raise ConfigurationError("a mix has 1 or 2 channels")
        self.track = RemoteAudioTrack(sample_rate, num_channels, "mix")
        self._loop = asyncio.get_running_loop()
        self._inputs: dict[Track[AudioFrame], MixerInput] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing is going on, so that it costs nothing."""
        return self._timer is None

    def add(self, track: Track[AudioFrame]) -> None:
        """Mix in a track, until it ends or is removed; idempotent.

        Raises:
            ConfigurationError: If the mixer is closed.
        """
        if self.track.ended:
            raise ConfigurationError("the mixer is closed")
        if track not in self._inputs:
            mix = self.track
            self._inputs[track] = MixerInput(mix.sample_rate, mix.num_channels, self._wake)
            track._attach(self._inputs[track])

    def remove(self, track: Track[AudioFrame]) -> None:
        """Mix it in no longer; idempotent."""
        taken = self._inputs.pop(track, None)
        if taken is not None:
            track._detach(taken)

    def dropped(self, track: Track[AudioFrame]) -> int:
        """Samples per channel of an input that came faster than in real time, and were lost.

        Raises:
            KeyError: If it is no input.
        """
        return self._inputs[track].dropped

    async def aclose(self) -> None:
        """Remove all inputs and end the mix; idempotent."""
        for track in tuple(self._inputs):
            self.remove(track)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.track.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    # The side of the inputs

    def _wake(self) -> None:
        """There is something to mix."""
        if self._timer is None:
            self._due = self._loop.time()
            self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        parts = []
        for track, one in tuple(self._inputs.items()):
            data = one.take()
            if data is not None:
                parts.append(data)
            if one.ended and not one.queued:
                self.remove(track)
        if parts:
            self.track.push(AudioFrame(self.track.sample_rate, sum_of(parts)))
        if any(one.busy for one in self._inputs.values()):
            self._due += self._frame_size / self.track.sample_rate
            self._timer = self._loop.call_at(self._due, self._tick)


def sum_of(parts: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """The sum of sounds of one shape; what is too loud clips, and never wraps.

    Args:
        parts: At least one.
    """
    if len(parts) == 1:
        return parts[0]
    total = parts[0].astype(np.int32)
    for part in parts[1:]:
        total += part
    return np.clip(total, -32768, 32767).astype(np.int16)
