"""The clock of a session, from which audio and video take their timestamps."""

from __future__ import annotations


class SessionClock:
    """Time since the start of a session, in s.

    Audio in real time brings the clock of its own producer along, which may be fast or slow by some
    hundred ppm. The session follows it, video included, so that the two stay together.

    Args:
        epoch: Time of the event loop in s at which this clock shows 0.
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._offset = 0.0

    def time(self, now: float) -> float:
        """What this clock shows at a time of the event loop."""
        return now - self._epoch - self._offset

    def when(self, time: float) -> float:
        """The time of the event loop at which this clock shows `time`."""
        return time + self._epoch + self._offset

    def slew(self, delay: float) -> None:
        """Let everything come so many s later."""
        self._offset += delay

    def show(self, earliest: float, now: float) -> float:
        """What this clock shows; set forward where it shows less than `earliest`."""
        self._offset = min(self._offset, now - self._epoch - earliest)
        return self.time(now)
