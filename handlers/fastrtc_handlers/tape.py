"""What was heard lately, by the sample."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame


class Tape:
    """The audio from one sample of a stream to its latest.

    Args:
        sample_rate: In Hz.
        num_channels: 1 or 2.

    Attributes:
        start: Number of the oldest sample that is there.
        end: Number of the sample after the latest.
    """

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self.start = 0
        self.end = 0
        self._blocks: deque[NDArray[np.int16]] = deque()

    def push(self, data: NDArray[np.int16]) -> None:
        """Add samples of shape `(channels, n)`."""
        self._blocks.append(data)
        self.end += data.shape[1]

    def forget_before(self, sample: int) -> None:
        """Drop the blocks that lie wholly before a sample."""
        while self._blocks and self.start + self._blocks[0].shape[1] <= sample:
            self.start += self._blocks.popleft().shape[1]

    def since(self, sample: int, until: int | None = None) -> AudioFrame:
        """From one sample, or the oldest that is there, to before another, or the latest."""
        if not self._blocks:
            return AudioFrame(self.sample_rate, np.zeros((self.num_channels, 0), np.int16))
        data = np.concatenate(self._blocks, axis=1)
        end = data.shape[1] if until is None else max(0, until - self.start)
        return AudioFrame(
            self.sample_rate, np.ascontiguousarray(data[:, max(0, sample - self.start) : end])
        )
