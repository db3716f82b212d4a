"""When the next audio packet is due, and which timestamp it carries.

Packets leave one frame apart, on a schedule that is fixed when a run of audio begins. After a
silence the timestamps jump to where the clock of the session stands (RFC 3550 section 5.1: the
timestamp tracks sampling instants, silence included), so that audio and video stay together.

A producer that is ahead of time, such as a generator or a text-to-speech engine, is held to the
schedule. One in real time, such as the microphone behind an echo, is not made to wait for it:

- Its packets leave as they come, up to `TOLERANCE` before or after they are due.
- What comes in a burst after a silence, such as the frames that a handler has caught up with, is
  placed before the present and leaves at once. It would otherwise delay all that follows.
- Its clock is taken over: the clock of the session moves by up to a thousandth towards its
  packets, so that one that is fast or slow by 200 ppm neither fills a queue nor tears a hole.
"""

from __future__ import annotations

from typing import NamedTuple

from .session_clock import SessionClock

TOLERANCE = 0.04
"""How far in s a packet may be off the schedule; within what lip sync allows (45 ms)."""

SETTLE = 0.003
MAX_SETTLE = 0.01
"""How long in s nothing must have been queued for a burst to be over, and how long to wait for it
at most."""

TAIL_GRACE = 0.02
MAX_GRACE = 0.1
"""How long in s a frame that is not full waits for the rest of it: a little longer than the
producer took for its last chunk, within these bounds."""

MAX_BURST = 0.2
"""Length in s up to which a queue is the burst of a producer in real time; more is an utterance."""

SLEW = 0.001
"""By which part of a frame the schedule moves at most with each packet."""

WINDOW = 100
"""Packets over which the producer is watched before the schedule moves."""


class QueueState(NamedTuple):
    """What the schedule depends on.

    Attributes:
        queued: Samples per channel that wait.
        last_push: When samples were last queued, in s.
        flushed: Whether the producer said that no more will follow for now.
        full: Whether the producer is held back: then it is ahead of time, not in real time.
        interval: Time in s between the last two pushes, 0 where a pause lies between them.
        since: When the queue was last empty, in s.
    """

    queued: int
    last_push: float
    flushed: bool = False
    full: bool = False
    interval: float = 0.0
    since: float = float("-inf")


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
        clock: The clock of the session.

    Attributes:
        frame_size: As above; it may change between two packets.
    """

    def __init__(self, sample_rate: int, frame_size: int, clock: SessionClock) -> None:
        self._rate = sample_rate
        self.frame_size = frame_size
        self._clock = clock
        self._position: int | None = None
        # Whether the producer is ahead of time: it was held back, or queued an utterance, and the
        # queue has not been empty since.
        self._ahead = False
        self._earliest = float("inf")
        self._watched = 0
        self._step = 0.0

    def next_departure(self, now: float, queue: QueueState) -> float | None:
        """When to send the next packet (s), or `None` while nothing is queued."""
        if not queue.queued:
            return None
        self._ahead = self._ahead or queue.full or queue.queued > MAX_BURST * self._rate
        if self._is_silent(now):
            settled = min(queue.last_push + SETTLE, queue.since + MAX_SETTLE)
            due = now if self._ahead else settled
        else:
            due = self._due if self._ahead else self._due - TOLERANCE
        if queue.queued < self.frame_size and not queue.flushed:
            grace = min(MAX_GRACE, max(TAIL_GRACE, 1.25 * queue.interval))
            due = max(due, queue.last_push + grace)
        return due

    def depart(self, now: float, queue: QueueState) -> Departure:
        """Book the departure of one packet at `now`."""
        resumed = False
        if self._is_silent(now):
            start = now
            if not self._ahead:
                start = queue.last_push - max(0, queue.queued - self.frame_size) / self._rate
            if self._position is None or start - self._due > TOLERANCE:
                resumed = True
                earliest = self._position or 0
                time = self._clock.show(earliest / self._rate, start)
                self._position = max(earliest, round(time * self._rate))
        assert self._position is not None
        timestamp = self._position
        self._follow(now - self._due)
        self._position += self.frame_size
        if queue.queued <= self.frame_size:
            self._ahead = False
        return Departure(timestamp, resumed)

    @property
    def _due(self) -> float:
        """When the next packet is due on the present schedule."""
        return self._clock.when((self._position or 0) / self._rate)

    def _is_silent(self, now: float) -> bool:
        return self._position is None or now - self._due > TOLERANCE

    def _follow(self, offset: float) -> None:
        """Move the schedule towards the earliest packets of a producer in real time."""
        self._earliest = min(self._earliest, offset)
        self._watched += 1
        if self._ahead:
            self._earliest, self._watched, self._step = float("inf"), 0, 0.0
        elif self._watched == WINDOW:
            most = SLEW * self.frame_size / self._rate
            self._step = max(-most, min(most, self._earliest / WINDOW))
            self._earliest, self._watched = float("inf"), 0
        self._clock.slew(self._step)
