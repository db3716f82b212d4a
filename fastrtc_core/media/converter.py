"""Brings a stream of frames of any rate and layout to one rate and layout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame, with_channels
from .resampler import Resampler
from .samples import SampleBuffer


class Converter:
    """Converts frames, state kept from one to the next.

    A resampler holds back 1 to 2 ms. The converter puts that much silence in front once, so that
    20 ms in are always 20 ms out and no frame waits for the one after it. Where the rate changes
    in mid-stream, what was held back comes next: the sound goes on without a gap.

    Args:
        sample_rate: Rate of what comes out, in Hz.
        num_channels: Channels of what comes out.
    """

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._resampler: Resampler | None = None
        self._ready = SampleBuffer(num_channels)
        # Samples that must come out for what went in, less those that have: negative where what
        # was held back has come out as well. The remainder is a fraction of one sample.
        self._due = 0
        self._remainder = 0
        self._sounding = False

    def push(self, frame: AudioFrame) -> NDArray[np.int16]:
        """Convert a frame; returns samples of shape `(num_channels, n)`."""
        data = with_channels(frame.data, self.num_channels)
        if frame.sample_rate != self._in_rate:
            self._change_rate(frame.sample_rate)
        if self._resampler is None:
            return self._pass(data)
        whole, self._remainder = divmod(
            data.shape[1] * self.sample_rate + self._remainder, frame.sample_rate
        )
        self._due += whole
        self._ready.push(self._resampler.push(data))
        out = self._ready.take(max(0, self._due))
        if not self._sounding:
            # The filter fills up: silence stands in for what it holds back.
            self._sounding = out.shape[1] > 0
            out = np.pad(out, ((0, 0), (self._due - out.shape[1], 0)))
        self._due -= out.shape[1]
        return out

    def flush(self) -> NDArray[np.int16]:
        """What is held back; the next frame starts afresh."""
        self._change_rate(self.sample_rate)
        self._due = 0
        self._sounding = False
        return self._ready.take(self._ready.queued)

    @property
    def _in_rate(self) -> int:
        return self.sample_rate if self._resampler is None else self._resampler.in_rate

    def _pass(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        """Nothing to convert, and nothing to hold back."""
        self._sounding = True
        if not self._ready.queued:
            return data
        self._due += data.shape[1]
        self._ready.push(data)
        out = self._ready.take(self._ready.queued)
        self._due -= out.shape[1]
        return out

    def _change_rate(self, in_rate: int) -> None:
        if self._resampler is not None:
            self._ready.push(self._resampler.flush())
        self._remainder = 0
        self._resampler = (
            None
            if in_rate == self.sample_rate
            else Resampler(in_rate, self.sample_rate, self.num_channels)
        )
