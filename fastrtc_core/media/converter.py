"""Brings a stream of frames of any rate and layout to one rate and layout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame, with_channels
from .resampler import Resampler


class Converter:
    """Converts frames, state kept from one to the next.

    The resampler holds back about 1 ms. The converter puts that much silence in front once, so
    that 20 ms in are always 20 ms out and no frame waits for the one after it.

    Args:
        sample_rate: Rate of what comes out, in Hz.
        num_channels: Channels of what comes out.
    """

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._resampler: Resampler | None = None

    def push(self, frame: AudioFrame) -> NDArray[np.int16]:
        """Convert a frame; returns samples of shape `(num_channels, n)`."""
        data = with_channels(frame.data, self.num_channels)
        resampler = self._resampler
        if resampler is not None and resampler.in_rate == frame.sample_rate:
            return resampler.push(data)
        tail = self.flush()
        if frame.sample_rate != self.sample_rate:
            self._resampler = Resampler(frame.sample_rate, self.sample_rate, self.num_channels)
            whole = data.shape[1] * self.sample_rate // frame.sample_rate
            data = self._resampler.push(data)
            data = np.pad(data, ((0, 0), (max(0, whole - data.shape[1]), 0)))
        return np.concatenate((tail, data), axis=1) if tail.shape[1] else data

    def flush(self) -> NDArray[np.int16]:
        """What is held back; the next frame starts afresh."""
        if self._resampler is None:
            return np.zeros((self.num_channels, 0), np.int16)
        rest = self._resampler.flush()
        self._resampler = None
        return rest
