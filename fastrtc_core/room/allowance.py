"""How much a browser may send: so much at a time, and so much a second."""

from __future__ import annotations


class Allowance:
    """A bucket of tokens; what is refused costs nothing.

    Args:
        rate: How much comes back in a second.
        burst: How much can be saved up; it is there at the beginning.
        now: The time, in s.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = self._left = burst
        self._counted = now

    def take(self, size: float, now: float) -> bool:
        """Whether so much may be sent now."""
        self._left = min(self._burst, self._left + (now - self._counted) * self._rate)
        self._counted = now
        if self._left < size:
            return False
        self._left -= size
        return True
