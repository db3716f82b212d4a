"""`ToneSource`: sines, for tests of whatever takes audio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError
from ..frames import FRAME_DURATION, to_int16
from .block import Block
from .paced import PacedSource, check_format


class ToneSource(PacedSource):
    """A sine in each channel.

    Args:
        frequency: In Hz; a list has one for each channel.
        sample_rate: In Hz.
        num_channels: How many channels, where there is one frequency for all.
        level: Peak, 1.0 being full scale; a list has one for each channel.
        duration: In s; `None` for no end.
        real_time: Whether each block comes when it is due; else as fast as they are taken.
        block_duration: Length of a block in s.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(
        self,
        frequency: float | Sequence[float] = 1000.0,
        *,
        sample_rate: int = 48000,
        num_channels: int = 1,
        level: float | Sequence[float] = 0.5,
        duration: float | None = None,
        real_time: bool = True,
        block_duration: float = FRAME_DURATION,
    ) -> None:
        super().__init__(real_time, block_duration)
        values = frequency if isinstance(frequency, Sequence) else [frequency] * num_channels
        check_format(sample_rate, len(values))
        if not all(0 <= value <= sample_rate / 2 for value in values):
            raise ConfigurationError(f"the frequencies must be within 0 to {sample_rate / 2:g} Hz")
        self.sample_rate = sample_rate
        self.num_channels = len(values)
        self._frequencies = np.array(values, float)[:, np.newaxis]
        levels = np.broadcast_to(np.array(level, float), (self.num_channels,))
        self._levels = levels[:, np.newaxis]
        self._duration = duration

    @property
    def duration(self) -> float | None:
        """Length in s, or `None` if it has no end."""
        return self._duration

    def _run(self) -> None:
        size = self._block_size(self.sample_rate)
        wait_for = self._clock(self.sample_rate)
        end = None if self._duration is None else round(self._duration * self.sample_rate)
        pts = 0
        while wait_for(pts) and (end is None or pts < end):
            count = size if end is None else min(size, end - pts)
            self._emit(Block(self._samples(pts, count), self.sample_rate, pts))
            pts += count

    def _samples(self, pts: int, count: int) -> NDArray[np.int16]:
        # Whole turns are taken off first: the phase stays exact however long it runs.
        turns = np.mod(self._frequencies * (pts / self.sample_rate), 1.0)
        turns = turns + self._frequencies * (np.arange(count) / self.sample_rate)
        return to_int16(self._levels * np.sin(2 * np.pi * turns))
