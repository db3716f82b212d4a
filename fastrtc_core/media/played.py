"""What a client was playing while its microphone heard something, without I/O.

Two clocks meet here. What is sent is played as a client plays: in real time, one piece after the
other, not before it has come. What is received is a stream of samples without gaps, which come
early or late: the quickest of them tell when they were recorded. Each piece of it gets what was
played while it was recorded, but for a delay that stays the same: the way there and back, and the
buffers of the client.

Times are in s, positions in samples since the first call.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

import numpy as np
from numpy.typing import NDArray

SPAN = 2.5
"""Length in s of what is kept."""

HELD_BACK = 0.02
"""By how much in s what was played lags behind, so that what is sent a little late is in it. The
echo of it takes longer: through the network, and the buffers at both ends."""

JITTER = 0.04
"""Time in s by which what is sent may be late and still follow what was sent before; and by which
what comes may be off before it is taken for a jump. The same as of the pacing."""

WINDOW = 50
"""Pieces over which the quickest counts: what comes late was delayed, and says nothing."""

LOST = 15
"""Pieces after which what comes late is not going to catch up: what was before it is lost."""

DEAD_BAND = 0.003
"""Difference in s of the clocks that is left alone; beyond it, they are brought together slowly."""

SLEW = 1000
"""One sample in so many is left out or doubled to bring the clocks together."""


class Played:
    """Puts what was played beside what is received.

    Args:
        sample_rate: Of both, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._ring = np.zeros(round(SPAN * sample_rate), np.int16)
        self._epoch: float | None = None
        self._sent = 0
        """The position after the last sample that was sent, or is known to be silent."""
        self._received: int | None = None
        """The position up to which what was played has been handed out."""
        self._offsets: deque[int] = deque(maxlen=WINDOW)

    def send(self, data: NDArray[np.int16], now: float) -> None:
        """Mono samples of shape `(n,)` leave for the client."""
        here = self._position(now)
        if here - self._sent > JITTER * self._rate:
            self._write(np.zeros(min(here - self._sent, len(self._ring)), np.int16), here)
        self._write(data, self._sent + len(data))

    def take_back(self, count: int) -> None:
        """The last samples that were sent, so many, are not played."""
        count = min(count, self._sent, len(self._ring))
        self._ring[np.arange(self._sent - count, self._sent) % len(self._ring)] = 0
        self._sent -= count

    def receive(self, count: int, now: float) -> NDArray[np.int16]:
        """So many samples have come from the client; returns what was played, of shape `(n,)`."""
        due = self._position(now - HELD_BACK)
        end = due if self._received is None else self._received + count
        end += self._correction(due - end, count)
        self._received = end
        return self._read(end - count, count)

    def _correction(self, offset: int, count: int) -> int:
        """By how many samples to move, where a piece comes so much later than expected."""
        self._offsets.append(offset)
        quickest = min(self._offsets)
        jump = JITTER * self._rate
        lost = min(islice(reversed(self._offsets), LOST)) if len(self._offsets) >= LOST else 0
        if quickest < -jump or lost > jump:
            self._offsets.clear()
            return lost if lost > jump else quickest
        if abs(quickest) <= DEAD_BAND * self._rate or len(self._offsets) < WINDOW:
            return 0
        step = -(-count // SLEW) * (1 if quickest > 0 else -1)
        self._offsets = deque((other - step for other in self._offsets), WINDOW)
        return step

    def _position(self, now: float) -> int:
        if self._epoch is None:
            self._epoch = now
        return round((now - self._epoch) * self._rate)

    def _write(self, data: NDArray[np.int16], end: int) -> None:
        """What is played up to a position."""
        data = data[-len(self._ring) :]
        self._ring[np.arange(end - len(data), end) % len(self._ring)] = data
        self._sent = end

    def _read(self, start: int, count: int) -> NDArray[np.int16]:
        """What is played from a position on; silence where nothing is known, or not any more."""
        played = np.zeros(count, np.int16)
        first = max(start, self._sent - len(self._ring), 0)
        last = min(start + count, self._sent)
        if first < last:
            at = np.arange(first, last) % len(self._ring)
            played[first - start : last - start] = self._ring[at]
        return played
