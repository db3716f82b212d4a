"""How much of what was sent has arrived, by the reports of the other side, without I/O.

A receiver reports the highest sequence number that it has got (RFC 3550 section 6.4.1): each 5 s or
so where it is a browser. What was lost on the way before that counts as arrived: it is not sent
again.
"""

from __future__ import annotations

from collections import deque

CAPACITY = 2048
"""Packets that may wait for a report, some 40 s of audio; of older ones, nothing is known."""


class Arrivals:
    """Notes up to where each packet carries what is sent, and is told of reports.

    Attributes:
        position: Up to where it has arrived, in the units of `note_sent`.
    """

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self._sent: deque[tuple[int, int]] = deque(maxlen=CAPACITY)

    def note_sent(self, number: int, position: int) -> None:
        """The next packet, with this sequence number, carries what there is up to a position."""
        self._sent.append((number & 0xFFFF, position))

    def note_report(self, highest: int) -> None:
        """The other side has got this sequence number, and maybe others before it."""
        if not self._sent:
            return
        index = (highest - self._sent[0][0]) & 0xFFFF
        if index < len(self._sent):  # else it was told before, or is no number of a packet
            for _ in range(index + 1):
                _, self.position = self._sent.popleft()
