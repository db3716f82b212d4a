"""When the next audio packet is due, and which timestamp it carries.

Packets leave one frame apart. A producer that is late by less than `CATCH_UP` keeps its schedule:
its packets carry contiguous timestamps and leave as soon as they can, so that a short stall adds
no delay for good. After a longer silence the timestamps jump to where the clock of the session
stands (RFC 3550 section 5.1: the timestamp tracks sampling instants, silence included).
"""

from __future__ import annotations

from typing import NamedTuple

CATCH_UP = 0.1
"""Lateness in s up to which a producer keeps its schedule."""

TAIL_GRACE = 0.02
"""How long in s a frame that is not full waits for the rest of it."""


class Departure(NamedTuple):
    """One packet that leaves.

    Attributes:
        timestamp: Its first sample, counted from the epoch of the session.
        resumed: Whether silence lies between it and the packet before.
    """

    timestamp: int
    resumed: bool


class Pacer:
    """The schedule of one outgoing audio track.

    Args:
        sample_rate: Rate of the track in Hz.
        frame_size: Samples per packet.
        epoch: Time of the session clock in s at which timestamps are 0.
    """

    def __init__(self, sample_rate: int, frame_size: int, epoch: float) -> None:
        self._rate = sample_rate
        self._frame_size = frame_size
        self._epoch = epoch
        self._position: int | None = None

    def next_departure(
        self, now: float, *, queued: int, last_push: float, flushed: bool
    ) -> float | None:
        """When to send the next packet (s), or `None` while nothing is queued.

        Args:
            now: The time.
            queued: Samples that wait.
            last_push: When samples were last queued.
            flushed: Whether the producer said that no more will follow for now.
        """
        if not queued:
            return None
        due = now if self._position is None else self._time_of(self._position)
        if queued < self._frame_size and not flushed:
            due = max(due, last_push + TAIL_GRACE)
        return due

    def depart(self, now: float) -> Departure:
        """Book the departure of one packet at `now`."""
        resumed = self._position is None or now - self._time_of(self._position) > CATCH_UP
        if self._position is None or resumed:
            timestamp = max(round((now - self._epoch) * self._rate), self._position or 0)
        else:
            timestamp = self._position
        self._position = timestamp + self._frame_size
        return Departure(timestamp, resumed)

    def _time_of(self, position: int) -> float:
        return self._epoch + position / self._rate
