"""Which packets are missing, and when to ask for each (RFC 4585 section 6.2.1)."""

from __future__ import annotations

from .video_frames import MAX_PACKETS, PATIENCE, unwrap

MAX_GAP = 256
"""Packets that may be missing at once; more than that, no sender has kept."""

MAX_REQUESTS = 10
"""How often one packet is asked for."""

MIN_INTERVAL, MAX_INTERVAL = 0.02, 0.2
"""Time in s between two requests for one packet: a round trip and a little, within these bounds."""


class _Missing:
    """A packet that has not come."""

    __slots__ = ("asked", "requests", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.asked = since
        self.requests = 1


class LostPackets:
    """Notes what is missing of one source, and says when to ask for it.

    It does no I/O and has no clock: every call is told the time, in s.

    Attributes:
        requested: How many requests were due, each for one packet.
        round_trip: From a request to the packet, in s, as far as it is known.
    """

    def __init__(self) -> None:
        self.requested = 0
        self.round_trip = 0.1
        self._latest: int | None = None
        self._missing: dict[int, _Missing] = {}

    def __len__(self) -> int:
        """How many packets are missing, and still wanted."""
        return len(self._missing)

    def push(self, sequence_number: int, now: float) -> list[int]:
        """Take the number of a packet that came; returns those to ask for, modulo 2**16."""
        if self._latest is None:
            self._latest = sequence_number
            return []
        number = unwrap(sequence_number, self._latest)
        if number <= self._latest - MAX_PACKETS:  # another beginning
            self._latest = number
            self._missing.clear()
            return []
        if number <= self._latest:
            missing = self._missing.pop(number, None)
            # Of one that was asked for twice, nobody knows which request it answers.
            if missing is not None and missing.requests == 1:
                self.round_trip += (now - missing.since - self.round_trip) / 4
            return []
        gap = range(self._latest + 1, number)
        self._latest = number
        if not gap:
            return []
        if len(gap) + len(self._missing) > MAX_GAP:
            self._missing.clear()
            return []
        for one in gap:
            self._missing[one] = _Missing(now)
        self.requested += len(gap)
        return [one & 0xFFFF for one in gap]

    def forget(self, before: int) -> None:
        """Packets before a number, counted on beyond 16 bits, are not wanted any more."""
        while self._missing and (first := next(iter(self._missing))) < before:
            del self._missing[first]

    @property
    def deadline(self) -> float | None:
        """When `due` has something to say; `None` while nothing is missing."""
        if not self._missing:
            return None
        return min(missing.asked for missing in self._missing.values()) + self._interval

    def due(self, now: float) -> list[int]:
        """Those to ask for once more, modulo 2**16; what was asked for in vain is given up."""
        again: list[int] = []
        for number, missing in list(self._missing.items()):
            if now - missing.since >= PATIENCE or missing.requests >= MAX_REQUESTS:
                del self._missing[number]
            elif now - missing.asked >= self._interval - 1e-6:
                missing.asked = now
                missing.requests += 1
                again.append(number & 0xFFFF)
        self.requested += len(again)
        return again

    def hopeless(self, now: float) -> bool:
        """Whether something was asked for so long in vain that a keyframe may come sooner."""
        if not self._missing:
            return False
        since = next(iter(self._missing.values())).since
        return now - since >= max(3 * self._interval, PATIENCE / 5)

    @property
    def _interval(self) -> float:
        return min(MAX_INTERVAL, max(MIN_INTERVAL, 1.25 * self.round_trip))
