"""`CallbackSource`: audio from a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidFrameError
from ..frames import FRAME_DURATION, to_int16
from .block import Block
from .paced import PacedSource, check_format


class CallbackSource(PacedSource):
    """Asks a function for samples, block by block.

    Args:
        read: Called on the thread of the source with a number of samples; returns an array of
            shape `(channels, n)`, or `(n,)` for one channel, of any length, as int16 or as floats
            in [-1, 1]. `None` ends the source.
        sample_rate: Of what it returns, in Hz.
        num_channels: Of what it returns.
        real_time: Whether each block comes when it is due; else as fast as they are taken.
        block_duration: Length in s of what is asked for at a time.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(
        self,
        read: Callable[[int], NDArray[Any] | None],
        *,
        sample_rate: int = 48000,
        num_channels: int = 1,
        real_time: bool = True,
        block_duration: float = FRAME_DURATION,
    ) -> None:
        super().__init__(real_time, block_duration)
        check_format(sample_rate, num_channels)
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._read = read

    def _run(self) -> None:
        size = self._block_size(self.sample_rate)
        wait_for = self._clock(self.sample_rate)
        pts = 0
        while wait_for(pts):
            samples = self._read(size)
            if samples is None:
                return
            data = self._checked(samples)
            self._emit(Block(data, self.sample_rate, pts))
            pts += data.shape[1]

    def _checked(self, samples: NDArray[Any]) -> NDArray[np.int16]:
        data = samples[np.newaxis] if samples.ndim == 1 else samples
        if data.ndim != 2 or data.shape[0] != self.num_channels:
            raise InvalidFrameError(
                f"the function returned an array of shape {samples.shape}; "
                f"it must be ({self.num_channels}, n)"
            )
        return np.ascontiguousarray(to_int16(data))
