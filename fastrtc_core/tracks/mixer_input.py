"""`MixerInput`: what waits of one track until it is mixed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame, samples_per_frame
from ..media.converter import Converter
from ..media.elastic import ElasticBuffer

AHEAD = 2
"""Frames of an input that must wait before it is heard, so that it is not torn by its jitter."""

CAPACITY = 25
"""Frames of an input that may wait; then the oldest are dropped."""


class MixerInput:
    """Reads a track, and yields it 20 ms at a time in the format of a mix.

    What comes late is heard late, but not for good: `ElasticBuffer` gives up the delay again.

    Args:
        sample_rate: Of the mix, in Hz.
        num_channels: Of the mix.
        wake: Called when there is something to take, or the track has ended.

    Attributes:
        ended: Whether the track has ended; something of it may still wait.
        dropped: Samples per channel that were lost because it came faster than in real time.
    """

    def __init__(self, sample_rate: int, num_channels: int, wake: Callable[[], None]) -> None:
        self.ended = False
        self.dropped = 0
        self._wake = wake
        self._frame_size = samples_per_frame(sample_rate)
        self._converter = Converter(sample_rate, num_channels)
        self._buffer = ElasticBuffer(sample_rate, num_channels, self._frame_size)
        self._sounding = False
        self._waited = 0
        """Ticks in which there was too little."""

    @property
    def queued(self) -> int:
        """Samples per channel that wait."""
        return self._buffer.queued

    @property
    def busy(self) -> bool:
        """Whether something waits, or is due: the pace of the mix goes on meanwhile."""
        return self._sounding or self._buffer.queued > 0

    def take(self) -> NDArray[np.int16] | None:
        """The next frame; `None` while there is none, or too little of it to go on with."""
        queued = self._buffer.queued
        enough = self._frame_size * (1 if self._sounding else AHEAD)
        if not queued:
            self._sounding = False
            self._buffer.rest()
            return None
        if queued < enough and not self.ended and self._waited < AHEAD:
            self._waited += 1
            return None
        self._waited = 0
        self._sounding = True
        data = self._buffer.take()
        missing = self._frame_size - data.shape[1]
        return np.pad(data, ((0, 0), (0, missing))) if missing else data

    # The side of the track

    def _push(self, frame: AudioFrame) -> None:
        self._buffer.push(self._converter.push(frame))
        excess = self._buffer.queued - CAPACITY * self._frame_size
        if excess > 0:
            self._buffer.discard(excess)
            self.dropped += excess
        self._wake()

    def _end(self) -> None:
        self._buffer.push(self._converter.flush())
        self.ended = True
        self._wake()
