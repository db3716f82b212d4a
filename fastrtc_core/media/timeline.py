"""Sounds that come and go, on one time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .samples import SampleBuffer

TOLERANCE = 0.06
"""Time in s by which a sound may be late and still go on where it was: the jitter of a network."""


class Timeline:
    """Puts the sounds of some sides side by side, with silence where a side has none.

    Args:
        sample_rate: In Hz.
        sides: How many there are; each is mono.
    """

    def __init__(self, sample_rate: int, sides: int) -> None:
        self._tolerance = round(TOLERANCE * sample_rate)
        self._sides = [SampleBuffer(1) for _ in range(sides)]
        self._taken = 0

    @property
    def taken(self) -> int:
        """The sample up to which everything was taken."""
        return self._taken

    def push(self, side: int, data: NDArray[np.int16], start: int) -> None:
        """Add samples of shape `(1, n)` to a side.

        Args:
            side: Its number, from 0.
            data: The samples.
            start: Where they begin, about. They follow what came before without a gap or overlap,
                unless they come later by more than jitter explains.
        """
        buffer = self._sides[side]
        end = self._taken + buffer.queued
        gap = start - end
        if gap > (0 if not buffer.queued else self._tolerance):
            buffer.push(np.zeros((1, gap), np.int16))
        buffer.push(data)

    def take(self, until: int) -> NDArray[np.int16]:
        """Everything up to a sample, of shape `(sides, n)`."""
        count = max(0, until - self._taken)
        self._taken += count
        return np.concatenate([_filled(side.take(count), count) for side in self._sides])


def mixed(sides: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sides of shape `(sides, n)` as one, `(1, n)`; what is too loud clips."""
    total: NDArray[np.int32] = sides.sum(axis=0, keepdims=True, dtype=np.int32)
    return np.clip(total, -32768, 32767).astype(np.int16)


def _filled(data: NDArray[np.int16], count: int) -> NDArray[np.int16]:
    missing = count - data.shape[1]
    return np.pad(data, ((0, 0), (0, missing))) if missing else data
