"""Where the samples of RTP packets belong on the sample clock of a source."""

from __future__ import annotations

UNEXPLAINED = 2.0
"""By how many s RTP timestamps may go off from the time that has passed; more is a new stream."""


class RtpClock:
    """Counts from the first packet; a sender that starts anew goes on where time has got to.

    It reads no clock itself: times are arguments, in s.

    Args:
        sample_rate: Of the stream in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._offset: int | None = None
        self._heard = 0.0
        self._anew = False
        self.next = 0
        """Index after the last sample."""

    def restart(self) -> None:
        """Say that the next timestamp has nothing to do with those before."""
        self._anew = self._offset is not None

    def place(self, timestamp: int, samples: int, now: float) -> int | None:
        """The index of the first of some samples, or `None` if they come too late.

        Args:
            timestamp: Their time on the RTP clock, in samples.
            samples: How many they are.
            now: When they came.
        """
        if self._offset is None:
            self._offset, self._heard = timestamp, now
        index = timestamp - self._offset
        passed = now - self._heard
        if self._anew or abs((index - self.next) / self.sample_rate - passed) > UNEXPLAINED:
            self._anew = False
            index = self.next + round(passed * self.sample_rate)
            self._offset = timestamp - index
        self._heard = now
        if index < self.next:
            return None
        self.next = index + samples
        return index
