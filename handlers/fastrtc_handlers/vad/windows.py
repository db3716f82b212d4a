"""From frames of any rate, layout and length to the windows of a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, AudioResampler, ConfigurationError, InvalidFrameError

_MIN_RATE = 8000
_SETTLED = 0.02
"""Silence in s after which the resampler is out of sound: its filter is 1 to 4 ms long."""


class Windows:
    """Cuts a stream of frames into mono windows of one rate and length, sample-exact.

    The resampler holds back 16 samples of the lower rate, 2 ms at most. Digital silence, samples
    of at most 1 in 32768, passes it by as zeros.

    Args:
        sample_rate: Rate of the windows, in Hz.
        size: Samples in each.
    """

    def __init__(self, sample_rate: int, size: int) -> None:
        self.sample_rate = sample_rate
        self.size = size
        self.reset()

    def reset(self) -> None:
        """Start another stream, at any rate."""
        self._in_rate: int | None = None
        self._resampler: AudioResampler | None = None
        self._rest = np.zeros(0, np.int16)
        self._pushed = 0
        self._made = 0
        self._silent = 0

    def position(self, sample: int) -> int:
        """Which pushed sample a sample of the windows is, both counted from the first."""
        return sample * (self._in_rate or self.sample_rate) // self.sample_rate

    def push(self, frame: AudioFrame) -> NDArray[np.int16]:
        """Add a frame; returns the windows that it completes, of shape `(n, size)`.

        Raises:
            ConfigurationError: If the rate is too low or is not that of the frames before.
            InvalidFrameError: If the frame is not int16 of shape `(channels, samples)`.
        """
        samples = _mono(frame)
        self._check_rate(frame.sample_rate)
        self._pushed += len(samples)
        made = self._convert(samples)
        self._made += len(made)
        joined = np.concatenate((self._rest, made))
        whole = len(joined) // self.size * self.size
        self._rest = joined[whole:]
        return joined[:whole].reshape(-1, self.size)

    def _check_rate(self, rate: int) -> None:
        if rate < _MIN_RATE:
            raise ConfigurationError(
                f"speech at {rate} Hz cannot be told from noise; push {_MIN_RATE} Hz or more"
            )
        if self._in_rate is None:
            self._in_rate = rate
        elif rate != self._in_rate:
            raise ConfigurationError(
                f"a frame of {rate} Hz after frames of {self._in_rate} Hz: call reset() where the "
                "rate changes, or use one detector for each rate"
            )

    def _convert(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """The next samples at the rate of the windows."""
        assert self._in_rate is not None
        if len(samples) and samples.max() <= 1 and samples.min() >= -1:
            self._silent += len(samples)
        else:
            self._silent = 0
        if self._silent > _SETTLED * self._in_rate:
            self._resampler = None
            due = self._pushed * self.sample_rate // self._in_rate - self._made
            return np.zeros(max(0, due), np.int16)
        if self._in_rate == self.sample_rate or not len(samples):
            return samples
        if self._resampler is None:
            self._resampler = AudioResampler(self._in_rate, self.sample_rate)
        parts = self._resampler.push(AudioFrame(self._in_rate, samples[np.newaxis]))
        return parts[0].data[0] if parts else np.zeros(0, np.int16)


def _mono(frame: AudioFrame) -> NDArray[np.int16]:
    """The mean of the channels."""
    data = frame.data
    if data.dtype != np.int16 or data.ndim != 2 or data.shape[0] not in (1, 2):
        raise InvalidFrameError(
            f"audio of shape {data.shape} and dtype {data.dtype} cannot be listened to; it must "
            "be int16 of shape (1, samples) or (2, samples)"
        )
    if data.shape[0] == 1:
        mono: NDArray[np.int16] = np.ascontiguousarray(data[0])
        return mono
    mixed: NDArray[np.int32] = data.sum(axis=0, dtype=np.int32) >> 1
    return mixed.astype(np.int16)
