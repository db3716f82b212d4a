"""What was said lately, in case it turns out that nobody heard it, without I/O.

Positions count the samples per channel that were played, as the ledger of the playout does.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

SPAN = 8.0
"""Length in s of what is kept: longer than it takes to notice that a client is lost."""


class SentSpeech:
    """Keeps what was sent of speech; all else that is sent belongs to its moment, and is not."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, NDArray[np.int16]]] = deque()
        # From which position on, and up to which, what is sent is speech.
        self._start = self._end = 0.0

    def begin(self, played: int, queued: int) -> None:
        """What is queued after what waits is speech, until `end`."""
        if played >= self._end:  # else some that was put back is still to be played
            self._start = played + queued
        self._end = math.inf

    def end(self, played: int) -> None:
        """It has been sent, or will not be."""
        self._end = min(self._end, played)

    def clear(self, played: int) -> None:
        """What waits was discarded: nobody wants to hear what was before it any more, either."""
        self._frames.clear()
        if self._end == math.inf:
            self._start = min(self._start, played)
        else:
            self._end = min(self._end, played)

    def note(self, now: float, played: int, data: NDArray[np.int16]) -> None:
        """Samples of shape `(channels, n)` are sent now (s), after so many others."""
        if self._start <= played < self._end:
            self._frames.append((now, data))
        while self._frames and self._frames[0][0] < now - SPAN:
            self._frames.popleft()

    def take_back(self, since: float, played: int) -> list[NDArray[np.int16]]:
        """Speech that was sent after a time (s), in its order; it is going to be played again."""
        frames = [data for time, data in self._frames if time > since]
        self._frames.clear()
        count = sum(data.shape[1] for data in frames)
        if count:
            going_on = self._end == math.inf
            self._start = played - count
            self._end = math.inf if going_on else played
        return frames
