"""When the packets of a picture leave: not all at once, so that what is beside it need not wait.

A leaky bucket (GCRA, ITU-T I.371 annex A). Times are arguments.
"""

from __future__ import annotations

FACTOR = 2.5
"""How much faster than the bit rate packets leave, where the line may carry more than is known."""

BURST = 0.04
"""For how many s of that they leave at once: a picture of usual size does."""

STRAINED_FACTOR = 1.25
"""The same where the line is known to carry no more: what is faster only waits in it."""

STRAINED_BURST = 2 * 1260
"""Bytes that leave at once there."""

LONGEST = 0.5
"""Time in s that a picture takes to leave at most, however large it is."""


class PicturePacer:
    """Says of each packet how long it is to wait."""

    def __init__(self) -> None:
        self._pace = 1.0
        self._slack = 0.0
        self._free = 0.0
        """When all that was sent would have left at the pace."""

    def begin(self, size: int, bit_rate: float, strained: bool, now: float) -> None:
        """A picture comes next.

        Args:
            size: All its bytes.
            bit_rate: What the line is known to carry, in bit/s.
            strained: Whether it carries no more than that.
            now: The time in s.
        """
        pace = bit_rate * (STRAINED_FACTOR if strained else FACTOR)
        self._pace = max(pace, 8 * size / LONGEST)
        self._slack = 8 * STRAINED_BURST / self._pace if strained else BURST
        self._free = min(max(self._free, now), now + LONGEST)

    def wait(self, size: int, now: float) -> float:
        """How long in s a packet of the picture has to wait; it is taken for sent then.

        Args:
            size: Its bytes.
            now: The time in s.
        """
        self._free = max(self._free, now)
        wait = max(0.0, self._free - self._slack - now)
        self._free += 8 * size / self._pace
        return wait

    def charge(self, size: int, now: float) -> None:
        """Something was sent beside pictures, which wait for as much longer."""
        self._free = min(max(self._free, now) + 8 * size / self._pace, now + LONGEST)
