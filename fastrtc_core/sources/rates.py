"""Rate and channels of whole pieces of audio, sample by sample exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..media.resampler import Resampler


class PieceConverter:
    """Converts one piece of audio of any number of channels to another rate.

    A piece of n samples becomes exactly `round(n * out_rate / in_rate)`: pieces that follow each
    other keep their places.

    Args:
        in_rate: Rate of the piece in Hz.
        out_rate: Rate that it is to have.
        num_channels: Its channels.
    """

    def __init__(self, in_rate: int, out_rate: int, num_channels: int) -> None:
        self._in_rate = in_rate
        self._out_rate = out_rate
        self._resamplers = [Resampler(in_rate, out_rate, 1) for _ in range(num_channels)]
        self._taken = 0
        self._given = 0

    def push(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        """Convert samples of shape `(channels, n)`; the last few come with `finish`."""
        self._taken += data.shape[1]
        rows = [one.push(row[np.newaxis]) for one, row in zip(self._resamplers, data, strict=True)]
        return self._count(np.concatenate(rows))

    def finish(self) -> NDArray[np.int16]:
        """The rest."""
        rest: NDArray[np.int16] = self._count(
            np.concatenate([one.flush() for one in self._resamplers])
        )
        padded: NDArray[np.int16] = np.pad(rest, ((0, 0), (0, self._due - self._given)))
        return padded

    @property
    def _due(self) -> int:
        return (2 * self._taken * self._out_rate + self._in_rate) // (2 * self._in_rate)

    def _count(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        counted: NDArray[np.int16] = data[:, : self._due - self._given]
        self._given += counted.shape[1]
        return counted


def fit_channels(data: NDArray[np.int16], num_channels: int) -> NDArray[np.int16]:
    """Bring samples to a number of channels.

    Down to one channel they are mixed, and one is copied to all. Else channels beyond the number
    are left out, and those that are missing are silent.
    """
    have = data.shape[0]
    if have == num_channels:
        return data
    if num_channels == 1:
        mixed: NDArray[np.int16] = np.rint(data.mean(axis=0, keepdims=True)).astype(np.int16)
        return mixed
    if have == 1:
        return np.repeat(data, num_channels, axis=0)
    missing = max(0, num_channels - have)
    return np.pad(data[:num_channels], ((0, missing), (0, 0)))
