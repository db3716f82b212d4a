"""What was sent over a transport, and what became of it by the feedback of the other side.

It is the other end of `transport_feedback`: packets get numbers that go on through all of a
transport (draft-holmer-rmcat-transport-wide-cc-extensions-01), and the feedback tells when each has
come. Nothing here knows a clock or a socket.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .transport_feedback import REFERENCE_TICKS, TICKS
from .video_frames import unwrap

MAX_PACKETS = 2048
"""Packets that are remembered: 2.5 s of 8 Mb/s. The oldest is forgotten first."""

MAX_STATUSES = 4096
"""Numbers that one feedback packet may speak of; one of 8,191 fits into four bytes."""

_HEADER = struct.Struct("!BBHIIHHI")
_CHUNK = struct.Struct("!H")
_FORMAT, _TYPE = 15, 205
_PADDING = 0x20
_REFERENCES = 1 << 24
_EMPTY_REPORT = bytes((0x80, 201, 0, 1))


class Fate(NamedTuple):
    """What became of a packet.

    Attributes:
        size: Its bytes.
        sent: When it was sent, in s.
        arrived: When it came, in s on the clock of the other side, which has any beginning; `None`
            if it did not.
        found: Whether it was reported missing before.
        probe: Of which probe it was; 0 if of none.
    """

    size: int
    sent: float
    arrived: float | None
    found: bool
    probe: int


class _Sent:
    """A packet whose fate is not known, or that is missing."""

    __slots__ = ("missing", "probe", "sent", "size")

    def __init__(self, size: int, sent: float, probe: int) -> None:
        self.size = size
        self.sent = sent
        self.probe = probe
        self.missing = False


class SentPackets:
    """Numbers packets, and finds out what became of them.

    Attributes:
        in_flight: Bytes of packets that nothing has been heard of.
        reports: Feedback packets that told of something new.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.reports = 0
        self._packets: dict[int, _Sent] = {}
        """By number, the number without its wraps; in their order."""
        self._next = 0
        self._reference: int | None = None
        """That of the latest feedback, in ticks and without its wraps."""
        self._waiting_since: float | None = None

    def __len__(self) -> int:
        """How many packets are remembered."""
        return len(self._packets)

    def silence(self, now: float) -> float:
        """For how long in s packets are under way of which nothing is heard."""
        if self._waiting_since is None or not self.in_flight:
            return 0.0
        return now - self._waiting_since

    def note(self, size: int, now: float, probe: int = 0) -> int:
        """Note that a packet is sent; returns its number, of 16 bits.

        Args:
            size: Its bytes.
            now: The time in s.
            probe: Of which probe it is.
        """
        number = self._next
        self._next = number + 1
        packets = self._packets
        packets[number] = _Sent(size, now, probe)
        self.in_flight += size
        if self._waiting_since is None:
            self._waiting_since = now
        if len(packets) > MAX_PACKETS:
            self._forget(next(iter(packets)))
        return number & 0xFFFF

    def take(self, packet: bytes, now: float) -> list[Fate]:
        """What a feedback packet tells that was not known.

        Args:
            packet: One RTCP packet, from its header on. What is damaged tells as much as can be
                read of it; numbers that were not sent, and those that are known, tell nothing.
            now: The time in s.

        Returns:
            In the order of the numbers.
        """
        if not is_feedback(packet) or len(packet) < _HEADER.size:
            return []
        first, _, _, _, _, begin, count, rest = _HEADER.unpack_from(packet)
        end = len(packet)
        if first & _PADDING:
            end -= packet[-1]
        ticks = self._unwrap_reference(rest >> 8)
        number = unwrap(begin, self._next - 1)
        fates: list[Fate] = []
        heard = False
        for symbol, delta in _statuses(packet, min(count, MAX_STATUSES), end):
            if symbol:
                ticks += delta
            sent = self._packets.get(number)
            if sent is not None:
                heard = True
                if symbol:
                    fates.append(
                        Fate(sent.size, sent.sent, ticks / TICKS, sent.missing, sent.probe)
                    )
                    if not sent.missing:
                        self.in_flight -= sent.size
                    del self._packets[number]
                elif not sent.missing:
                    sent.missing = True
                    self.in_flight -= sent.size
                    fates.append(Fate(sent.size, sent.sent, None, False, sent.probe))
            number += 1
        if heard:
            self.reports += 1
            self._waiting_since = now if self.in_flight else None
        return fates

    def forget_before(self, time: float) -> None:
        """Nothing more will be heard of what was sent before this time, in s."""
        packets = self._packets
        while packets:
            number = next(iter(packets))
            if packets[number].sent >= time:
                return
            self._forget(number)

    def _forget(self, number: int) -> None:
        sent = self._packets.pop(number)
        if not sent.missing:
            self.in_flight -= sent.size

    def _unwrap_reference(self, reference: int) -> int:
        """In ticks, as near to the one before as can be: it wraps after twelve days."""
        if self._reference is not None:
            before = self._reference // REFERENCE_TICKS
            half = _REFERENCES // 2
            reference = before + (reference - before + half) % _REFERENCES - half
        self._reference = reference * REFERENCE_TICKS
        return self._reference


def is_feedback(packet: bytes) -> bool:
    """Whether an RTCP packet is one of transport-wide feedback."""
    return len(packet) >= 4 and packet[1] == _TYPE and packet[0] & 0x1F == _FORMAT


def split_feedback(data: bytes) -> tuple[list[bytes], bytes]:
    """The feedback among the RTCP packets of a datagram (RFC 3550 section 6.1).

    Returns:
        The feedback packets, and the datagram without them; where nothing else is in it, with an
        empty report (section 6.4.2) in their place.
    """
    found: list[bytes] = []
    others: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + 4 * (1 + int.from_bytes(data[position + 2 : position + 4]))
        packet = data[position:end]
        (found if is_feedback(packet) else others).append(packet)
        position = end
    if found and not others:
        return found, _EMPTY_REPORT + data[4:8]
    return found, b"".join(others)


def _statuses(packet: bytes, count: int, end: int) -> Iterator[tuple[int, int]]:
    """The status of each number: 0 for what has not come, else one with its delta in ticks.

    Ends early where the packet does (section 3.1).
    """
    symbols: list[int] = []
    position = _HEADER.size
    while len(symbols) < count:
        if position + 2 > end:
            return
        (chunk,) = _CHUNK.unpack_from(packet, position)
        position += 2
        if chunk < 0x8000:
            symbols += [chunk >> 13] * min(chunk & 0x1FFF, count - len(symbols))
        elif chunk < 0xC000:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -2, -2)]
    for symbol in symbols[:count]:
        if symbol == 0 or symbol == 3:  # the last one is reserved
            yield 0, 0
            continue
        if position + symbol > end:
            return
        yield symbol, int.from_bytes(packet[position : position + symbol], signed=symbol == 2)
        position += symbol
