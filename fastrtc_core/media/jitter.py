"""The jitter buffer: from packets as the network delivers them to an unbroken run of frames.

A packet that comes in order is released at once, without any delay. Only a hole makes the buffer
wait, until the missing packet comes or its deadline passes; then the frame is given up, and the
packets behind it follow at once. The deadline is when the packet would have come over the fastest
path seen, plus a depth of 20 to 60 ms that follows the jitter. So loss costs no delay for good,
and the frames keep coming at the rate of the sender whatever the network lost.

It does no I/O and reads no clock: times are arguments, in s.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

MIN_DEPTH = 0.02
MAX_DEPTH = 0.06
"""Bounds in s of how long a missing packet is waited for, beyond its expected arrival."""

WINDOW = 2.0
"""Length in s of each of the two windows over which the fastest path is remembered."""

HISTORY = 100
"""Packets whose delays the depth is derived from."""

STALE = 0.2
"""Lateness in s beyond which frames are skipped: after a stall of this process, or of the path."""

SHIFT = 0.5
"""After how long in s of nothing but late packets the path is taken to have become slower."""

PAUSE = 2.0
"""After how long in s without a packet the sender is taken to have paused."""

MAX_SENDER_GAP = 0.1
"""Longest gap in s that a sender leaves out itself which is filled with silence."""

MAX_CONCEALED = 5
"""Frames in a row that are concealed; what is missing after them is silence."""

MAX_PACKETS = 128
"""Packets that are held at most."""

MAX_DTX = 2
"""Bytes of a packet of Opus that begins a pause, in which the sender sends next to nothing: its TOC
and at most one more (RFC 6716 section 2.1.9)."""

MAX_MISORDER = 100
"""Packets by which the sequence may go back; more is a new stream."""

MAX_BEFORE = 10
"""Packets before the first one that are known for late ones when they come."""


class DueFrame(NamedTuple):
    """One frame of the run.

    Attributes:
        samples: Its length in units of the RTP clock.
        payload: The packet, or `None` where it is missing.
        following: Where it is missing: the packet after it, if that has come (it may carry FEC).
        silent: Where it is missing: whether so many are that silence is due.
        restarted: Whether the run before it was abandoned, so that no state should be kept.
    """

    samples: int
    payload: bytes | None = None
    following: bytes | None = None
    silent: bool = False
    restarted: bool = False


@dataclass
class JitterStatistics:
    """Packets and frames since the start.

    Attributes:
        received: Packets that came, each once.
        lost: Packets that never came, or came too late.
        concealed: Frames that were made up for.
        silent: Those among them that are plain silence, in holes of more than 100 ms and after
            the sender has stopped.
        late: Packets that came after their frame was made up for or skipped.
        duplicated: Packets that came again.
        jitter: Interarrival jitter in s (RFC 3550 section 6.4.1).
        depth: How long in s a missing packet is waited for at present.
    """

    received: int = 0
    lost: int = 0
    concealed: int = 0
    silent: int = 0
    late: int = 0
    duplicated: int = 0
    jitter: float = 0.0
    depth: float = 2 * MIN_DEPTH


class _Packet(NamedTuple):
    sequence: int
    timestamp: int
    samples: int
    payload: bytes


class JitterBuffer:
    """The buffer of one stream.

    Args:
        clock_rate: Units of RTP timestamps per second.
        dtx: Whether an announced pause (discontinuous transmission, RFC 7587 section 3.1.3) is
            silence, for which nothing is made up; otherwise it is concealed, as loss is.
    """

    _packets: dict[int, _Packet]
    _missing: deque[int]
    _first: int
    _highest: int | None
    _newest: int | None
    _fastest: float
    _previous_fastest: float
    _base: float
    _window_start: float
    _heard: float
    _next: int | None
    _in_dtx: bool
    _released: int | None
    _late_since: float | None
    _transit: float | None
    _delays: deque[float]
    _sorted_delays: list[float]

    def __init__(self, clock_rate: int = 48000, *, dtx: bool = False) -> None:
        self.statistics = JitterStatistics()
        self._dtx = dtx
        self._rate = clock_rate
        self._ssrc: int | None = None
        self._forget()

    def __len__(self) -> int:
        """How many packets it holds."""
        return len(self._packets)

    def push(
        self, ssrc: int, sequence: int, timestamp: int, samples: int, payload: bytes, now: float
    ) -> None:
        """Take a packet.

        Args:
            ssrc: Its source; another one than before starts anew.
            sequence: Its sequence number, 16 bits.
            timestamp: Its RTP timestamp, 32 bits.
            samples: Its length in units of the RTP clock.
            payload: Its payload; an empty one is dropped.
            now: The time of its arrival.
        """
        if not payload or samples <= 0:
            return
        if ssrc != self._ssrc or self._is_new_stream(sequence, timestamp, now):
            self._ssrc = ssrc
            self._forget()
        packet = _Packet(
            _unwrap(sequence, self._highest, 16) if self._highest is not None else sequence,
            _unwrap(timestamp, self._newest, 32) if self._newest is not None else timestamp,
            samples,
            payload,
        )
        self._note_arrival(packet, now)
        if self._next is None:
            self._next = packet.timestamp
            self._restarted = True
        if not self._is_first_copy(packet.sequence):
            self.statistics.duplicated += 1
        elif packet.timestamp < self._next:
            self._take_late(packet, now)
        else:
            self._late_since = None
            self._accept(packet)

    def pop(self, now: float) -> list[DueFrame]:
        """Everything that is due, in order."""
        frames: list[DueFrame] = []
        while self._next is not None and not self._in_dtx:
            if self._is_stale(now):
                self._skip_to_present(now)
                continue
            packet = self._packets.pop(self._next, None)
            if packet is not None:
                frames.append(self._frame(packet.samples, packet.payload))
                self._concealed = 0
                self._released = packet.sequence
                self._in_dtx = self._dtx and len(packet.payload) <= MAX_DTX and not self._packets
            elif self._is_gap_of_the_sender() or now >= self._deadline_of(self._next):
                if not self._packets and now - self._heard >= PAUSE:
                    self._next = None  # the sender pauses: dormant until its next packet
                    break
                frames.append(self._give_up(self._next))
            else:
                break
        return frames

    @property
    def deadline(self) -> float | None:
        """When to call `pop` if nothing comes before (s); `None` while the sender pauses."""
        return None if self._next is None or self._in_dtx else self._deadline_of(self._next)

    # Arrival

    def _is_first_copy(self, sequence: int) -> bool:
        """Note a sequence number; `False` if it has come before."""
        if self._highest is None:
            self._first = self._highest = sequence
            self._missing.extend(range(sequence - MAX_BEFORE, sequence))
        elif sequence > self._highest:
            skipped = range(self._highest + 1, sequence)
            self._missing.extend(skipped)
            self.statistics.lost += len(skipped)
            self._highest = sequence
        elif sequence in self._missing:
            self._missing.remove(sequence)
            self.statistics.lost -= sequence > self._first
        else:
            return False
        self.statistics.received += 1
        return True

    def _accept(self, packet: _Packet) -> None:
        if len(self._packets) >= MAX_PACKETS:
            del self._packets[min(self._packets)]
            self.statistics.lost += 1
        assert self._next is not None
        nothing_held = not self._packets
        self._packets[packet.timestamp] = packet
        self._newest = max(self._newest or packet.timestamp, packet.timestamp)
        if self._in_dtx:
            self._in_dtx = False
            self._next = packet.timestamp
        # The sender left out more than a wait explains: a jump of its clock, which is not filled.
        gap = packet.timestamp - self._next
        if nothing_held and self._is_gap_of_the_sender() and gap > MAX_SENDER_GAP * self._rate:
            self._next = packet.timestamp
            self._restarted = True

    def _is_gap_of_the_sender(self) -> bool:
        """Whether no packet is missing before the next one that is held: the sender left a gap."""
        if not self._packets or self._released is None:
            return False
        return self._packets[min(self._packets)].sequence == self._released + 1

    def _take_late(self, packet: _Packet, now: float) -> None:
        self.statistics.late += 1
        if self._late_since is None:
            self._late_since = now
        elif now - self._late_since >= SHIFT and packet.sequence > (self._released or 0):
            # All come late: the path has become slower, and this is its pace from now on.
            self._packets.clear()
            self._released = None
            self._forget_path()
            self._note_arrival(packet, now)
            self._next = packet.timestamp
            self._restarted = True
            self._accept(packet)

    def _note_arrival(self, packet: _Packet, now: float) -> None:
        """Learn the fastest path, the jitter, and from them the depth."""
        transit = now - packet.timestamp / self._rate
        statistics = self.statistics
        if self._transit is not None:
            statistics.jitter += (abs(transit - self._transit) - statistics.jitter) / 16
        self._transit = transit
        self._heard = now
        if now - self._window_start >= WINDOW:
            self._previous_fastest, self._fastest = self._fastest, transit
            self._window_start = now
        self._fastest = min(self._fastest, transit)
        self._base = min(self._fastest, self._previous_fastest)
        excess = transit - self._base
        if excess > STALE:
            return  # a stall says nothing about the jitter
        if len(self._delays) == HISTORY:
            self._sorted_delays.remove(self._delays.popleft())
        self._delays.append(excess)
        insort(self._sorted_delays, excess)
        usual = self._sorted_delays[int(len(self._sorted_delays) * 0.95)]
        statistics.depth = min(MAX_DEPTH, MIN_DEPTH + usual)

    def _is_new_stream(self, sequence: int, timestamp: int, now: float) -> bool:
        """Whether numbers jump further than loss and pauses explain."""
        if self._highest is None or self._newest is None:
            return False
        step = _unwrap(sequence, self._highest, 16) - self._highest
        elapsed = _unwrap(timestamp, self._newest, 32) - self._newest
        if step < -MAX_MISORDER or step > 50 * MAX_MISORDER:
            return True
        if self._next is None:
            return True  # after a pause everything starts anew
        unexplained = elapsed / self._rate - (now - self._heard)
        return step > 0 and (elapsed < 0 or unexplained > PAUSE)

    # Release

    def _deadline_of(self, timestamp: int) -> float:
        return self._base + timestamp / self._rate + self.statistics.depth

    def _is_stale(self, now: float) -> bool:
        return self._next is not None and now - self._deadline_of(self._next) > STALE

    def _skip_to_present(self, now: float) -> None:
        """Abandon what is too old to be of use; its frames are not made up for."""
        assert self._next is not None
        present = round((now - self._base - self.statistics.depth) * self._rate)
        fresh = [timestamp for timestamp in self._packets if timestamp >= present]
        stale = [timestamp for timestamp in self._packets if timestamp < present]
        for timestamp in stale:
            del self._packets[timestamp]
        self.statistics.late += len(stale)
        steps = -(-(present - self._next) // self._samples)
        self._next = min(fresh) if fresh else self._next + steps * self._samples
        self._restarted = True

    def _give_up(self, timestamp: int) -> DueFrame:
        """Make up for the frame that is due and did not come."""
        following = self._packets.get(timestamp + self._samples)
        later = min(self._packets, default=None)
        # What lies before the next packet is filled exactly, be it less than a frame.
        samples = self._samples if later is None else min(self._samples, later - timestamp)
        self._concealed += 1
        silent = self._concealed > MAX_CONCEALED
        self.statistics.concealed += 1
        self.statistics.silent += silent
        return self._frame(
            samples, None, following.payload if following is not None else None, silent
        )

    def _frame(
        self,
        samples: int,
        payload: bytes | None,
        following: bytes | None = None,
        silent: bool = False,
    ) -> DueFrame:
        assert self._next is not None
        self._next += samples
        if payload is not None:
            self._samples = samples
        restarted, self._restarted = self._restarted, False
        return DueFrame(samples, payload, following, silent, restarted)

    def _forget(self) -> None:
        self._packets = {}
        self._missing = deque(maxlen=MAX_MISORDER)
        self._first = 0
        self._highest = None
        self._newest = None
        self._next = None
        self._released = None
        self._samples = self._rate // 50
        self._concealed = 0
        self._restarted = False
        self._in_dtx = False
        self._forget_path()

    def _forget_path(self) -> None:
        self._late_since = None
        self._heard = 0.0
        self._transit = None
        self._window_start = float("-inf")
        self._fastest = float("inf")
        self._previous_fastest = float("inf")
        self._base = float("inf")
        self._delays = deque()
        self._sorted_delays = []


def _unwrap(value: int, reference: int, bits: int) -> int:
    """The number nearest to a reference that ends in these bits."""
    span = 1 << bits
    return reference + (value - reference + span // 2) % span - span // 2
