"""When the next audio packet is due, and which timestamp it carries.

Packets leave one frame apart. A producer that is late by less than `CATCH_UP` keeps its schedule:
its packets carry contiguous timestamps and leave as soon as they can, so that a short stall adds
no delay for good. After a longer silence the timestamps jump to where the clock of the session
stands (RFC 3550 section 5.1: the timestamp tracks sampling instants, silence included).

A producer in real time whose clock is faster than this one, such as the microphone behind an echo,
would fill the queue by a little every second. Where a short queue never empties, packets leave a
thousandth early until it does: the track takes over the clock of its producer.
"""

from __future__ import annotations

from typing import NamedTuple

CATCH_UP = 0.18
"""Lateness in s up to which a producer keeps its schedule: more than a handler may lag behind, so
that what it caught up with is not left standing in the queue."""

TAIL_GRACE = 0.02
"""How long in s a frame that is not full waits for the rest of it."""


SLEW = 0.001
"""By which part of a frame packets leave early while a queue stands."""

WINDOW = 100
"""Packets over which a queue must not have emptied to count as standing."""

MAX_STANDING = 0.2
"""Length in s up to which a standing queue is drained; a longer one is an utterance."""


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
        self._left = 0
        self._lowest = 0
        self._ahead = False
        self._seen = 0
        self._slewing = False

    def next_departure(
        self, now: float, *, queued: int, last_push: float, flushed: bool, full: bool = False
    ) -> float | None:
        """When to send the next packet (s), or `None` while nothing is queued.

        Args:
            now: The time.
            queued: Samples that wait.
            last_push: When samples were last queued.
            flushed: Whether the producer said that no more will follow for now.
            full: Whether the producer is held back: then it is ahead of time, not in real time.
        """
        self._left = queued - self._frame_size
        self._ahead = self._ahead or full
        if not queued:
            return None
        due = now if self._position is None else self._time_of(self._position)
        if queued < self._frame_size and not flushed:
            due = max(due, last_push + TAIL_GRACE)
        return due

    def depart(self, now: float) -> Departure:
        """Book the departure of one packet at `now`."""
        self._watch_queue(self._left)
        resumed = self._position is None or now - self._time_of(self._position) > CATCH_UP
        if self._position is None or resumed:
            timestamp = max(round((now - self._epoch) * self._rate), self._position or 0)
        else:
            timestamp = self._position
        self._position = timestamp + self._frame_size
        return Departure(timestamp, resumed)

    def _watch_queue(self, left: int) -> None:
        """Notice a queue that stands, and leave a little early while it does."""
        self._lowest = left if self._seen == 0 else min(self._lowest, left)
        self._seen += 1
        if self._seen == WINDOW:
            stands = 0 < self._lowest <= MAX_STANDING * self._rate
            self._slewing = stands and not self._ahead
            self._seen = 0
            self._ahead = False
        if left <= 0 or self._ahead:
            self._slewing = False
        if self._slewing:
            self._epoch -= SLEW * self._frame_size / self._rate

    def _time_of(self, position: int) -> float:
        return self._epoch + position / self._rate
