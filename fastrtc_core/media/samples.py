"""A first-in first-out buffer of samples that cuts anywhere."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray


class SampleBuffer:
    """Samples of shape `(channels, n)`, pushed in any lengths and taken in any other.

    It has no bound of its own: whoever pushes looks at `queued` first.
    """

    def __init__(self, num_channels: int) -> None:
        self.num_channels = num_channels
        self.queued = 0
        """Samples per channel in the buffer."""
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._offset = 0

    def push(self, data: NDArray[np.int16]) -> None:
        """Append a copy of samples of shape `(channels, n)`: whoever made them may reuse them."""
        if data.shape[1]:
            self._blocks.append(np.array(data, order="C"))
            self.queued += data.shape[1]

    def put_back(self, data: NDArray[np.int16]) -> None:
        """Put samples before all others: what was taken last is taken again."""
        if not data.shape[1]:
            return
        if self._offset:
            self._blocks[0] = self._blocks[0][:, self._offset :]
            self._offset = 0
        self._blocks.appendleft(data)
        self.queued += data.shape[1]

    def take(self, count: int) -> NDArray[np.int16]:
        """Remove and return the oldest `count` samples, or as many as there are."""
        count = min(count, self.queued)
        parts: list[NDArray[np.int16]] = []
        missing = count
        while missing:
            block = self._blocks[0]
            part = block[:, self._offset : self._offset + missing]
            parts.append(part)
            missing -= part.shape[1]
            self._offset += part.shape[1]
            if self._offset == block.shape[1]:
                self._blocks.popleft()
                self._offset = 0
        self.queued -= count
        if len(parts) == 1:
            return np.ascontiguousarray(parts[0])
        if not parts:
            return np.zeros((self.num_channels, 0), np.int16)
        return np.concatenate(parts, axis=1)

    def clear(self) -> int:
        """Discard everything; return how many samples per channel that was."""
        discarded = self.queued
        self._blocks.clear()
        self._offset = 0
        self.queued = 0
        return discarded
