"""`AudioResampler`: frames of one rate as frames of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, InvalidFrameError
from ..frames import AudioFrame
from .resampler import Resampler

_RATES = range(1000, 768_001)


class AudioResampler:
    """Converts a stream of frames, of any length, from one rate to another.

    It answers in the same call, all but 16 samples of the lower rate, 2 ms at most; `flush` yields
    the rest. Together that is as long as what went in, to the sample.

    Args:
        input_rate: In Hz.
        output_rate: In Hz.
        num_channels: 1 or 2, on both sides.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(self, input_rate: int, output_rate: int, *, num_channels: int = 1) -> None:
        if input_rate not in _RATES or output_rate not in _RATES:
            raise ConfigurationError(f"rates are {_RATES[0]} to {_RATES[-1]} Hz")
        if num_channels not in (1, 2):
            raise ConfigurationError("a resampler has 1 or 2 channels")
        self.input_rate = input_rate
        self.output_rate = output_rate
        self.num_channels = num_channels
        self._resampler = Resampler(input_rate, output_rate, num_channels)
        self._taken = self._given = 0

    def push(self, frame: AudioFrame) -> list[AudioFrame]:
        """Convert a frame; nothing comes of the first ones if they are very short.

        Raises:
            InvalidFrameError: If its rate or number of channels is another.
        """
        if frame.sample_rate != self.input_rate or frame.num_channels != self.num_channels:
            raise InvalidFrameError(
                f"the resampler takes {self.input_rate} Hz and {self.num_channels} channel(s), "
                f"not {frame.sample_rate} Hz and {frame.num_channels}"
            )
        self._taken += frame.samples_per_channel
        return self._frames(self._resampler.push(frame.data))

    def flush(self) -> list[AudioFrame]:
        """What is held back; the next frame is the first of another stream."""
        due = round(self._taken * self.output_rate / self.input_rate) - self._given
        rest = self._resampler.flush()[:, : max(0, due)]
        rest = np.pad(rest, ((0, 0), (0, max(0, due - rest.shape[1]))))
        frames = self._frames(rest)
        self._taken = self._given = 0
        return frames

    def _frames(self, data: NDArray[np.int16]) -> list[AudioFrame]:
        self._given += data.shape[1]
        return [AudioFrame(self.output_rate, data)] if data.shape[1] else []
