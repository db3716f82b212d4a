"""Transport-wide feedback: when each packet has come, for an estimator at the other end.

It follows draft-holmer-rmcat-transport-wide-cc-extensions-01: whoever sends numbers all packets of
a transport, and is told which numbers have come, and when. Nothing here knows a clock or a socket.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator

TICKS = 4000
"""Arrival times are told in ticks of 250 µs: so many in a second (section 3.1.5)."""

REFERENCE_TICKS = 256
"""A reference time counts steps of 64 ms (section 3.1)."""

HISTORY = TICKS // 2
"""For how many ticks what was reported is remembered. A packet that comes late by less is reported
with what came around it; a later one is not reported."""

MAX_PACKETS = 4096
"""Packets that are remembered: half a second of 80 Mb/s."""

MAX_BYTES = 1000
"""Of one feedback packet, about; what does not fit goes into another one."""

_HEADER = struct.Struct("!BBHIIHHI")
_VERSION = 0x80
_PADDING = 0x20
_FORMAT = 15
_TYPE = 205
"""Transport-layer feedback (RFC 4585 section 6.2)."""

_MISSING, _SMALL, _LARGE = 0, 1, 2
"""Symbols: not received; received, with a delta of 8 bits without a sign, or of 16 bits with one.
"""

_MAX_COUNT = 0xFFFF
_MAX_RUN = 0x1FFF
_ONE_BIT = 14
_TWO_BITS = 7
"""Symbols in a vector chunk, by their size (section 3.1.4)."""


class ArrivalRecorder:
    """What has come on one transport, and what is to be reported of it."""

    def __init__(self) -> None:
        self._arrivals: dict[int, int] = {}
        """Ticks by number, the number without its wraps; in the order of arrival."""
        self._latest: int | None = None
        """The highest number that has come."""
        self._next = 0
        """The first number to report."""
        self._oldest = 0
        """Numbers before this one are not reported any more."""
        self._reports = 0

    def __len__(self) -> int:
        """How many packets are remembered."""
        return len(self._arrivals)

    def record(self, number: int, time: float) -> None:
        """Note that a packet has come.

        Args:
            number: That of its transport, 16 bits. Copies are ignored.
            time: When it came, in s from any beginning, not before the one noted last.
        """
        latest = self._latest
        if latest is None:
            full = self._next = self._latest = number
            self._oldest = number - 0x8000
        else:
            full = latest + ((number - latest + 0x8000) & 0xFFFF) - 0x8000
            if full > latest:
                self._latest = full
            elif full < self._oldest or full in self._arrivals:
                return
            elif full < self._next:
                self._next = full
        arrivals = self._arrivals
        arrivals[full] = int(time * TICKS)
        if len(arrivals) > MAX_PACKETS:
            self._forget(next(iter(arrivals)))

    def report(self, sender: int, source: int) -> list[bytes]:
        """Report what has come since the last report, and what is missing before it.

        Args:
            sender: The SSRC of this side.
            source: An SSRC of the other side.

        Returns:
            RTCP packets, not more than needed; none where nothing has come.
        """
        latest = self._latest
        if latest is None or latest < self._next:
            return []
        arrivals = self._arrivals
        begin = self._next
        reports: list[bytes] = []
        builder = _Report(begin)
        for number in sorted(number for number in arrivals if number >= begin):
            if not builder.add(number, arrivals[number]):
                reports.append(builder.build(sender, source, self._reports))
                self._reports += 1
                builder = _Report(builder.end)
                builder.add(number, arrivals[number])
        reports.append(builder.build(sender, source, self._reports))
        self._reports += 1
        self._next = latest + 1
        self._forget_old()
        return reports

    def _forget_old(self) -> None:
        arrivals = self._arrivals
        horizon = arrivals[next(reversed(arrivals))] - HISTORY
        old: list[int] = []
        for number, ticks in arrivals.items():
            if ticks >= horizon:
                break
            old.append(number)
        for number in old:
            self._forget(number)

    def _forget(self, number: int) -> None:
        del self._arrivals[number]
        self._oldest = max(self._oldest, number + 1)
        self._next = max(self._next, self._oldest)


class _Report:
    """One feedback packet as it grows.

    Args:
        begin: Its first number.
    """

    def __init__(self, begin: int) -> None:
        self.end = begin
        """The number after its last one."""
        self._begin = begin
        self._reference = 0
        self._ticks = 0
        self._runs: deque[list[int]] = deque()
        """Symbols that repeat, and how often."""
        self._deltas = bytearray()
        self._size = _HEADER.size

    def add(self, number: int, ticks: int) -> bool:
        """Take a packet, and those that are missing before it; `False` if it does not fit."""
        if number - self._begin >= _MAX_COUNT or self._size >= MAX_BYTES:
            return False
        if not self._deltas:
            self._reference = ticks // REFERENCE_TICKS
            self._ticks = self._reference * REFERENCE_TICKS
        delta = ticks - self._ticks
        if not -0x8000 <= delta <= 0x7FFF:
            return False
        missing = number - self.end
        if missing:
            self._repeat(_MISSING, missing)
        if 0 <= delta <= 0xFF:
            self._repeat(_SMALL, 1)
            self._deltas.append(delta)
        else:
            self._repeat(_LARGE, 1)
            self._deltas += delta.to_bytes(2, signed=True)
        self._size += 4 + 2 * (missing // _MAX_RUN)  # at most
        self._ticks = ticks
        self.end = number + 1
        return True

    def _repeat(self, symbol: int, times: int) -> None:
        if self._runs and self._runs[-1][0] == symbol:
            self._runs[-1][1] += times
        else:
            self._runs.append([symbol, times])

    def build(self, sender: int, source: int, number: int) -> bytes:
        """The packet (section 3.1)."""
        count = self.end - self._begin
        body = b"".join(chunk.to_bytes(2) for chunk in _chunks(self._runs)) + self._deltas
        padding = -(_HEADER.size + len(body)) % 4
        if padding:
            body += bytes(padding - 1) + padding.to_bytes()
        header = _HEADER.pack(
            _VERSION | (_PADDING if padding else 0) | _FORMAT,
            _TYPE,
            (_HEADER.size + len(body)) // 4 - 1,
            sender,
            source,
            self._begin & 0xFFFF,
            count,
            (self._reference & 0xFFFFFF) << 8 | number & 0xFF,
        )
        return header + body


def _chunks(runs: deque[list[int]]) -> Iterator[int]:
    """The symbols in chunks, each in the form that holds most of those that come next.

    Args:
        runs: Symbols and how often each repeats; it is used up.
    """
    while runs:
        symbol, times = runs[0]
        ahead = _ahead(runs)
        # A vector is full, but for the last one.
        singles = 0 if _LARGE in ahead else len(ahead)
        pairs = min(len(ahead), _TWO_BITS)
        if times >= singles and times >= pairs:
            held = min(times, _MAX_RUN)
            yield symbol << 13 | held
        elif singles >= pairs:
            held = singles
            yield 0x8000 | _vector(ahead, _ONE_BIT, 1)
        else:
            held = pairs
            yield 0xC000 | _vector(ahead[:held], _TWO_BITS, 2)
        _drop(runs, held)


def _ahead(runs: deque[list[int]]) -> list[int]:
    """The symbols that come next, as many as a chunk can hold one by one."""
    ahead: list[int] = []
    for symbol, times in runs:
        ahead += [symbol] * min(times, _ONE_BIT - len(ahead))
        if len(ahead) == _ONE_BIT:
            break
    return ahead


def _vector(symbols: list[int], room: int, bits: int) -> int:
    vector = 0
    for symbol in symbols:
        vector = vector << bits | symbol
    return vector << bits * (room - len(symbols))


def _drop(runs: deque[list[int]], count: int) -> None:
    while count:
        taken = min(count, runs[0][1])
        runs[0][1] -= taken
        count -= taken
        if not runs[0][1]:
            runs.popleft()
