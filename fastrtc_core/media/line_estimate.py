"""What a line carries, by what became of the packets that were sent over it.

After draft-ietf-rmcat-gcc-02: a controller by delay (sections 5.5 and 5.6) and one by loss (section
6), of which the lower one counts. Probes, which the draft does not have, find out what more it
carries. Times are arguments, and nothing here sends anything.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from .delay_trend import GAP, DelayTrend, Usage
from .sent_packets import MAX_PACKETS, Fate

PACKET = 1200
"""Bytes of a full packet."""

WINDOW = 0.5
"""Over how many s rates are measured."""

DECREASE = 0.85
"""What is left of the measured rate where a line is overused (section 5.5)."""

BLIND_DECREASE = 0.7
"""What is left of the estimate where so little was sent that the measured rate says nothing."""

GROWTH = 1.08
"""Per s, far from the rate at which the line was last full (section 5.5)."""

HEADROOM, STRAINED_HEADROOM, HEADROOM_BITS = 1.3, 1.1, 10_000
"""How far beyond what is sent the estimate grows, and on a line that is known to be narrow: an
encoder that takes larger steps may not take one there that nothing speaks for. The draft has 1.5
(section 5.5); probes do the rest here."""

LITTLE = 0.6
"""Less of the estimate than this is sent: the line is not filled by it."""

AGAIN = 0.2
"""Least time in s between two decreases."""

FEW_LOSSES, MANY_LOSSES = 0.02, 0.1
"""Shares of lost packets: below the one the limit by loss grows, above the other it falls (section
6)."""

SETTLED = 1.0
"""Time in s after a decrease within which losses are those of the queue that led to it."""

LOSS_PACKETS, LOSS_TIME = 20, 0.3
"""Of how many packets a share of loss is made, and in how many s at least."""

SILENCE = 1.0
"""Without any feedback for so many s, half of the estimate is taken back."""

STRAINED = 15.0
"""For how long in s after a decrease a line is known to be narrow."""

MAX_QUEUE = 0.03
"""Time in s that a line may need for what it holds, before no picture is added."""

MAX_HOLD = 1.0
"""For how long in s a picture is held back at most."""

BUSY = 0.03
"""A packet that waited for so many s found the line busy."""

BUSY_TIME = 0.06
"""Over how many s the line is busy, before what comes through is taken for all that it carries."""

SHORT_QUEUE, LONG_QUEUE = 0.015, 0.15
"""Time in s that packets wait: with less a line is not overused, whatever the trend says; with more
it is, if that still grows."""

STANDING_QUEUE, STANDING = 0.05, 0.5
"""Time in s that packets wait, and for how long all do: a line that never empties is overused, too,
though its delay is even. Pictures that are held back may keep it so."""

BASE = 10.0
"""Over how many s, and as many before, the shortest delay is looked for."""

PROBE = 2.0
"""How much more than the estimate a probe tries."""

PROBE_PACKETS, PROBE_BYTES, PROBE_TIME = 10, 8000, 0.02
"""Packets of a probe, its bytes, and how long it is, at least. A line may let some thousand bytes
through at once, and be narrow all the same; so its second half is what counts."""

BUSY_PACKETS = 5
"""Of at least how many packets the rate of a busy line is taken."""

PROBE_AGAIN, PROBE_LATER, PROBE_TIMEOUT = 0.25, 4.0, 1.0
"""Time in s from a probe that has shown more to the next one, from one that has not, and until the
feedback about it is not waited for any longer."""

PASSED = 0.9
"""The share of its rate at which a probe comes if the line carries it."""


class Probe(NamedTuple):
    """Packets to be sent for the estimate alone.

    Attributes:
        number: Its own, from 1.
        bit_rate: At which they are to be sent.
        packets: How many.
        size: Of how many bytes each should be, about; larger ones only take the line longer.
    """

    number: int
    bit_rate: float
    packets: int
    size: int


class LineEstimate:
    """Estimates what a line carries.

    Args:
        start: In bit/s.
        low, high: Its bounds in bit/s.

    Attributes:
        bit_rate: The estimate in bit/s.
        queue: What the line held before it, by the latest packet that came, in s.
        overused: How often the line was found overused.
    """

    def __init__(self, start: float, low: float, high: float) -> None:
        self.overused = 0
        self.queue = 0.0
        self._low, self._high = low, high
        self.bit_rate = min(max(start, low), high)
        self._trend = DelayTrend()
        self._came = _Rate()
        self._busy = _Busy()
        self._sent = _Rate()
        self._delay = _Shortest()
        self._grows = False
        self._empty = 0.0
        """When the line was last about empty."""
        self._newest = 0.0
        """When the packet was sent that came last."""
        self._round_trip = 0.1
        self._full: float | None = None
        """The measured rate in kb/s at which the line was overused, smoothed (section 5.5)."""
        self._spread = 0.4
        """Its variance, by its mean, in kb/s."""
        self._holding = False
        self._heard: float | None = None
        self._changed = self._reduced = -math.inf
        self._strained = -math.inf
        self._loss_limit = math.inf
        self._lost = self._told = 0
        self._share = 0.0
        self._loss_since: float | None = None
        self._probes = 0
        self._probe: _Probing | None = None
        self._probe_at = 0.0

    def set_bounds(self, low: float, high: float) -> None:
        """Other bounds, in bit/s."""
        self._low, self._high = low, high
        self._set(self.bit_rate)

    # What is heard

    def take(self, fates: Sequence[Fate], now: float) -> None:
        """Take what one feedback packet has told.

        Args:
            fates: In the order in which the packets were sent.
            now: The time in s.
        """
        if not fates:
            return
        first = self._heard is None
        self._heard = now
        if first:
            self._changed = now
        delays: deque[float] = deque(maxlen=3)
        for fate in fates:
            self._lost += -1 if fate.found else fate.arrived is None
            self._told += not fate.found
            if not fate.found:
                self._sent.add(fate.sent, fate.size)
            if fate.arrived is not None:
                self._came.add(fate.arrived, fate.size)
                self._trend.add(fate.sent, fate.arrived)
                delay = self._delay.over(fate.arrived - fate.sent, now)
                self._busy.add(fate.arrived, fate.size, delay)
                delays.append(delay)
        newest = max((fate.sent for fate in fates if fate.arrived is not None), default=None)
        if newest is not None:
            self._newest = newest
            self._round_trip += 0.1 * (min(max(now - newest, 0.0), 1.0) - self._round_trip)
            before, self.queue = self.queue, min(delays)
            self._grows = self.queue > max(before, LONG_QUEUE)
            if self.queue < STANDING_QUEUE:
                self._empty = now
        self._follow_loss(now)
        self._follow_delay(now)
        self._judge_probe(fates, now)

    def check(self, silence: float, now: float) -> None:
        """Look whether the other side is still heard.

        Args:
            silence: For how long in s packets are under way of which nothing is heard.
            now: The time in s.
        """
        if self._heard is not None and min(silence, now - self._reduced) >= SILENCE:
            self._reduce(self.bit_rate / 2, now)

    # What is to be done

    def strained(self, now: float) -> bool:
        """Whether the line is known to be as narrow as the estimate, or was a moment ago."""
        return now - self._strained < STRAINED

    def hold(self, in_flight: int, now: float) -> float:
        """For how long in s a picture is to wait, so that what the line holds leaves it first.

        Args:
            in_flight: Bytes that nothing has been heard of.
            now: The time in s.
        """
        if self._heard is None or not self.strained(now):
            return 0.0
        behind = 8 * in_flight / (self.bit_rate / DECREASE)
        waiting = self.queue + behind - (now - self._newest)
        return min(max(0.0, waiting - MAX_QUEUE), MAX_HOLD)

    def next_probe(self, now: float, wanted: float = 0.0) -> Probe | None:
        """A probe to send now, if it is worth the packets.

        Args:
            now: The time in s.
            wanted: What would be sent if the line carried it, in bit/s: up to there more is tried,
                however little is sent.
        """
        if self._probe is not None and now - self._probe.began > PROBE_TIMEOUT:
            self._probe, self._probe_at = None, now + PROBE_LATER
        if (
            self._heard is None
            or now - self._heard > SILENCE / 2
            or self._probe is not None
            or now < self._probe_at
            or self._trend.usage is not Usage.NORMAL
            or self.bit_rate >= 0.95 * self._high
            or self._share >= FEW_LOSSES
            or self.queue > SHORT_QUEUE
            or (
                self._probes
                and self.bit_rate >= wanted
                and self._sent.bit_rate < LITTLE * self.bit_rate
            )
        ):
            return None
        bit_rate = min(PROBE * self.bit_rate, self._high)
        whole = max(PROBE_BYTES, bit_rate * PROBE_TIME / 8)
        packets = max(PROBE_PACKETS, math.ceil(whole / PACKET))
        self._probes += 1
        self._probe = _Probing(self._probes, now, bit_rate, packets)
        return Probe(self._probes, bit_rate, packets, min(PACKET, int(whole / packets)))

    # By delay

    def _follow_delay(self, now: float) -> None:
        usage = self._trend.usage
        stands = now - max(self._empty, self._reduced) > STANDING
        if (usage is Usage.OVER and self.queue > SHORT_QUEUE) or self._grows or stands:
            self._holding = True
            if now - self._reduced >= max(AGAIN, min(self._round_trip, 2 * AGAIN)):
                self._decrease(now)
        elif usage is Usage.UNDER and self.queue > SHORT_QUEUE:
            self._holding = True  # the line empties its queue (section 5.5)
            self._changed = now
        elif self._holding:
            self._holding = False
            self._changed = now
        else:
            self._increase(now)

    def _decrease(self, now: float) -> None:
        self.overused += 1
        came = self._busy.bit_rate or self._came.bit_rate
        little = self._sent.bit_rate < LITTLE * self.bit_rate
        if not came or (little and not self._busy.bit_rate):
            self._reduce(BLIND_DECREASE * self.bit_rate, now)
            return
        came_kilobits = came / 1000
        if self._full is None or self._differs(came_kilobits):
            self._full = came_kilobits
        else:
            error = came_kilobits - self._full
            self._full += 0.05 * error
            spread = self._spread + 0.05 * (error**2 / max(self._full, 1.0) - self._spread)
            self._spread = min(max(spread, 0.4), 2.5)
        self._reduce(DECREASE * came, now)

    def _reduce(self, bit_rate: float, now: float) -> None:
        self._changed = self._reduced = self._strained = now
        self._probe = None
        self._probe_at = now + PROBE_LATER
        self._set(min(self.bit_rate, bit_rate))

    def _increase(self, now: float) -> None:
        passed = min(max(0.0, now - self._changed), 1.0)
        self._changed = now
        came = min(self._came.bit_rate, self._sent.bit_rate)
        if self._full is not None and came / 1000 > self._full and self._differs(came / 1000):
            self._full = None
        if self._full is not None:  # one packet each time that an answer takes
            grown = self.bit_rate + passed * 8 * PACKET / (2 * (self._round_trip + 0.1))
        else:
            grown = self.bit_rate * GROWTH**passed
        headroom = STRAINED_HEADROOM if self.strained(now) else HEADROOM
        bound = max(self.bit_rate, headroom * came + HEADROOM_BITS)
        # As much as has come without any queue, the line does carry.
        carried = 0.95 * came if self.queue < SHORT_QUEUE else 0.0
        self._set(max(min(grown, bound), carried))

    def _differs(self, kilobits: float) -> bool:
        """Whether a rate is not the one at which the line was full."""
        full = self._full or 0.0
        return abs(kilobits - full) > 3 * math.sqrt(self._spread * full)

    def _set(self, bit_rate: float) -> None:
        self.bit_rate = min(max(min(bit_rate, self._loss_limit), self._low), self._high)

    # By loss

    def _follow_loss(self, now: float) -> None:
        if self._loss_since is None:
            self._loss_since = now
        passed = now - self._loss_since
        if self._told < LOSS_PACKETS or passed < LOSS_TIME:
            return
        share = self._share = max(0.0, self._lost / self._told)
        self._lost = self._told = 0
        self._loss_since = now
        if share > MANY_LOSSES and now - self._reduced > SETTLED:
            self._loss_limit = max(self._low, self.bit_rate * (1 - 0.5 * min(share, 1.0)))
            self._reduce(self._loss_limit, now)
        elif share < FEW_LOSSES and self._loss_limit < math.inf:
            self._loss_limit *= GROWTH ** min(passed, 1.0)
            if self._loss_limit > self._high:
                self._loss_limit = math.inf

    # By probes

    def _judge_probe(self, fates: Sequence[Fate], now: float) -> None:
        probing = self._probe
        if probing is None:
            return
        for fate in fates:
            if fate.probe == probing.number:
                probing.told += 1
                if fate.arrived is not None:
                    probing.came.append((fate.sent, fate.arrived, fate.size))
        if probing.told < probing.packets:
            return
        self._probe, self._probe_at = None, now + PROBE_LATER
        measured = probing.measured()
        if measured is None:
            return
        sent, came = measured
        if came < PASSED * sent:
            self._strained = now
            found = DECREASE * came  # there may be others, and what is not numbered
            if not self._came.bit_rate:  # nothing else is known yet
                self._reduce(found, now)
        else:
            found = min(sent, came)
            self._strained = -math.inf
            self._loss_limit = math.inf
        if found > self.bit_rate and self._trend.usage is not Usage.OVER:
            self._full = None
            self._set(found)
            if came >= PASSED * sent:
                self._probe_at = now + PROBE_AGAIN


class _Rate:
    """A bit rate over the last `WINDOW` s, on any clock."""

    def __init__(self) -> None:
        self._packets: deque[tuple[float, int]] = deque()
        self._bytes = 0
        self._first: float | None = None

    @property
    def bit_rate(self) -> float:
        """In bit/s; 0 for the first `WINDOW` s."""
        if self._first is None or self._packets[-1][0] - self._first < WINDOW:
            return 0.0
        return 8 * self._bytes / WINDOW

    def add(self, time: float, size: int) -> None:
        """A packet of so many bytes; one that comes late counts at the latest time."""
        packets = self._packets
        if packets:
            time = max(time, packets[-1][0])
            if time - packets[-1][0] > 4 * WINDOW:  # a clock that has jumped, or a long pause
                packets.clear()
                self._bytes = 0
                self._first = time
        if self._first is None:
            self._first = time
        packets.append((time, size))
        self._bytes += size
        while packets[0][0] <= time - WINDOW or len(packets) > MAX_PACKETS:
            self._bytes -= packets.popleft()[1]


class _Busy:
    """What comes through a line while it has no pause: as much as it carries."""

    def __init__(self) -> None:
        self._packets: deque[tuple[float, int]] = deque(maxlen=MAX_PACKETS)
        self._bytes = 0

    @property
    def bit_rate(self) -> float:
        """In bit/s; 0 where it is not busy, or not for long enough."""
        if len(self._packets) < BUSY_PACKETS:
            return 0.0
        (begin, first), (end, _) = self._packets[0], self._packets[-1]
        return 8 * (self._bytes - first) / (end - begin) if end - begin >= BUSY_TIME else 0.0

    def add(self, time: float, size: int, delay: float) -> None:
        """A packet of so many bytes came, which took so much longer than one on an idle line."""
        packets = self._packets
        if delay < BUSY or (packets and not 0 <= time - packets[-1][0] < WINDOW):
            packets.clear()
            self._bytes = 0
        if delay < BUSY:
            return
        packets.append((time, size))
        self._bytes += size
        while packets[0][0] < time - WINDOW or len(packets) == MAX_PACKETS:
            self._bytes -= packets.popleft()[1]


class _Shortest:
    """The shortest delay of the last while, from one clock to another."""

    def __init__(self) -> None:
        self._before = self._now = math.inf
        self._since: float | None = None

    def over(self, delay: float, now: float) -> float:
        """By how much a delay is longer, in s; it counts itself."""
        if self._since is None or now - self._since > BASE:
            self._before, self._now, self._since = self._now, math.inf, now
        self._now = min(self._now, delay)
        longer = delay - min(self._before, self._now)
        if longer > GAP:  # a clock has jumped
            self._before, self._now = math.inf, delay
            return 0.0
        return longer


class _Probing:
    """A probe under way."""

    def __init__(self, number: int, began: float, bit_rate: float, packets: int) -> None:
        self.number = number
        self.began = began
        self.bit_rate = bit_rate
        self.packets = packets
        self.told = 0
        self.came: list[tuple[float, float, int]] = []

    def measured(self) -> tuple[float, float] | None:
        """At which rates its packets were sent and came, in bit/s; `None` if that says nothing."""
        if len(self.came) < 0.8 * self.packets:
            return None
        late = sorted(self.came)[len(self.came) // 2 - 1 :]
        sent = late[-1][0] - late[0][0]
        came = max(arrived for _, arrived, _ in late) - late[0][1]
        bits = 8 * sum(size for _, _, size in late[1:])
        if sent <= 0 or came <= 0 or came < sent / 2:
            return None
        return bits / sent, bits / came
