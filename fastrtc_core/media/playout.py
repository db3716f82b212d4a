"""The playout: what is queued for a peer, with a ledger that always balances.

`pushed == played + queued + cleared`, in samples per channel, at every moment.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .samples import SampleBuffer


class PlayoutStatistics(NamedTuple):
    """Samples per channel since the start.

    Attributes:
        pushed: Samples that were handed over.
        played: Samples that were pulled for sending, and not put back.
        queued: Samples that wait.
        cleared: Samples that were discarded by `clear`.
        padded: Samples of silence that filled up a last, short frame.
    """

    pushed: int
    played: int
    queued: int
    cleared: int
    padded: int


class Playout:
    """A queue of samples that is pulled in frames of one length.

    A frame that the queue cannot fill is padded with silence and played: no tail is held back, and
    none becomes the start of what is pushed later.
    """

    def __init__(self, num_channels: int) -> None:
        self._buffer = SampleBuffer(num_channels)
        self._pushed = 0
        self._played = 0
        self._cleared = 0
        self._padded = 0

    @property
    def queued(self) -> int:
        """Samples per channel that wait."""
        return self._buffer.queued

    @property
    def played(self) -> int:
        """Samples per channel that were pulled."""
        return self._played

    def push(self, data: NDArray[np.int16]) -> None:
        """Queue samples of shape `(channels, n)`."""
        self._buffer.push(data)
        self._pushed += data.shape[1]

    def pull(self, count: int) -> NDArray[np.int16]:
        """Take a frame of `count` samples, padded with silence at its end if need be."""
        data = self._buffer.take(count)
        taken = data.shape[1]
        self._played += taken
        if taken < count:
            self._padded += count - taken
            data = np.pad(data, ((0, 0), (0, count - taken)))
        return data

    def put_back(self, data: NDArray[np.int16]) -> None:
        """Queue samples that were pulled, before all others: they were not heard."""
        self._buffer.put_back(data)
        self._played -= data.shape[1]

    def discard(self, data: NDArray[np.int16]) -> None:
        """Book samples that were handed over and are discarded before they could be queued."""
        self._pushed += data.shape[1]
        self._cleared += data.shape[1]

    def clear(self) -> int:
        """Discard what waits; return how many samples per channel that was."""
        discarded = self._buffer.clear()
        self._cleared += discarded
        return discarded

    def statistics(self) -> PlayoutStatistics:
        """The ledger."""
        return PlayoutStatistics(
            self._pushed, self._played, self._buffer.queued, self._cleared, self._padded
        )
