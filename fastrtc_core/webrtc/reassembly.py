"""Messages of SCTP put together from their pieces (RFC 9260 section 6.9), within bounds.

A piece costs the same however many others wait. aiortc looks at all that wait for each that comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

UNORDERED = 4
FIRST = 2
LAST = 1
"""Flags of a piece (RFC 9260 section 3.3.1)."""

_SEQUENCE = 1 << 16


class Piece(NamedTuple):
    """What a DATA chunk carries.

    Attributes:
        tsn: Its number, counted on beyond 32 bits.
        flags: `FIRST`, `LAST` and `UNORDERED`.
        stream: The stream it belongs to.
        sequence_number: That of its message within the stream, 16 bits.
        protocol: What the message is.
        data: The bytes.
    """

    tsn: int
    flags: int
    stream: int
    sequence_number: int
    protocol: int
    data: bytes


class SctpMessage(NamedTuple):
    """A whole message."""

    stream: int
    protocol: int
    data: bytes


class MessageTooLongError(Exception):
    """A message is longer than this side has said that it takes (RFC 8841 section 6)."""


class _Run(NamedTuple):
    """Pieces of one message that follow each other."""

    first: int
    last: int
    size: int
    begins: bool
    ends: bool


class Reassembly:
    """The pieces of one association that are not whole messages yet, or wait for their turn.

    Args:
        max_message: Bytes of the longest message.

    Attributes:
        held: Bytes that are held.
        pieces: How many pieces they came in.
    """

    def __init__(self, max_message: int) -> None:
        self.held = 0
        self.pieces = 0
        self._max_message = max_message
        self._data: dict[int, Piece] = {}
        self._by_first: dict[int, _Run] = {}
        self._by_last: dict[int, _Run] = {}
        self._expected: dict[int, int] = {}
        """The sequence number of the next message in order, by stream."""
        self._early: dict[int, dict[int, tuple[int, SctpMessage]]] = {}
        """Whole messages that wait for an earlier one, with their pieces; by stream."""

    def push(self, piece: Piece) -> list[SctpMessage]:
        """Take a piece that has not been taken before; returns the messages that are due.

        Raises:
            MessageTooLongError: If what it belongs to is too long.
        """
        tsn = piece.tsn
        run = _Run(tsn, tsn, len(piece.data), bool(piece.flags & FIRST), bool(piece.flags & LAST))
        before = None if run.begins else self._by_last.get(tsn - 1)
        after = None if run.ends else self._by_first.get(tsn + 1)
        if before is not None and not before.ends:
            self._remove(before)
            run = _Run(before.first, tsn, before.size + run.size, before.begins, run.ends)
        if after is not None and not after.begins:
            self._remove(after)
            run = _Run(run.first, after.last, run.size + after.size, run.begins, after.ends)
        if run.size > self._max_message:
            raise MessageTooLongError(f"a message is longer than {self._max_message} bytes")
        self._data[tsn] = piece
        self.held += len(piece.data)
        self.pieces += 1
        if not (run.begins and run.ends):
            self._by_first[run.first] = self._by_last[run.last] = run
            return []
        return self._complete(run, piece)

    def forward(self, tsn: int, streams: Iterable[tuple[int, int]]) -> list[SctpMessage]:
        """Wait no longer for pieces up to a number (RFC 3758 section 3.6).

        Args:
            tsn: The number.
            streams: Streams, and the sequence number of the last message that was given up in each.

        Returns:
            The messages that are due.
        """
        for run in [run for run in self._by_first.values() if run.first <= tsn]:
            if run.begins and run.last >= tsn:
                continue  # nothing of it is missing so far
            self._remove(run)
            for number in range(run.first, run.last + 1):
                self._release(1, len(self._data.pop(number).data))
        due: list[SctpMessage] = []
        for stream, sequence_number in dict(streams).items():
            following = (sequence_number + 1) % _SEQUENCE
            if _later(following, self._expected.get(stream, 0)):
                early = self._early.get(stream, {})
                passed = [number for number in early if _later(following, number)]
                passed.sort(key=lambda number, end=following: (number - end) % _SEQUENCE)  # type: ignore[misc]
                due += [self._take(early, number) for number in passed]
                due += self._continue(stream, following)
        return due

    def reset(self, stream: int) -> None:
        """Count the messages of a stream from 0 again."""
        self._expected.pop(stream, None)
        for pieces, message in self._early.pop(stream, {}).values():
            self._release(pieces, len(message.data))

    def _complete(self, run: _Run, piece: Piece) -> list[SctpMessage]:
        pieces = [self._data.pop(number) for number in range(run.first, run.last + 1)]
        message = SctpMessage(piece.stream, piece.protocol, b"".join(part.data for part in pieces))
        if not piece.flags & UNORDERED:
            expected = self._expected.get(piece.stream, 0)
            if _later(piece.sequence_number, expected):
                early = self._early.setdefault(piece.stream, {})
                count, other = early.pop(piece.sequence_number, (0, SctpMessage(0, 0, b"")))
                self._release(count, len(other.data))
                early[piece.sequence_number] = len(pieces), message
                return []
            if piece.sequence_number == expected:
                self._release(len(pieces), run.size)
                following = (expected + 1) % _SEQUENCE
                return [message, *self._continue(piece.stream, following)]
        self._release(len(pieces), run.size)
        return [message]

    def _continue(self, stream: int, expected: int) -> list[SctpMessage]:
        """Expect a certain message next; returns those that waited for this."""
        due: list[SctpMessage] = []
        early = self._early.get(stream, {})
        while expected in early:
            due.append(self._take(early, expected))
            expected = (expected + 1) % _SEQUENCE
        self._expected[stream] = expected
        if not early:
            self._early.pop(stream, None)
        return due

    def _take(self, early: dict[int, tuple[int, SctpMessage]], number: int) -> SctpMessage:
        pieces, message = early.pop(number)
        self._release(pieces, len(message.data))
        return message

    def _remove(self, run: _Run) -> None:
        del self._by_first[run.first], self._by_last[run.last]

    def _release(self, pieces: int, size: int) -> None:
        self.pieces -= pieces
        self.held -= size


def _later(number: int, other: int) -> bool:
    """Whether one 16-bit sequence number comes after another (RFC 1982)."""
    return number != other and (number - other) % _SEQUENCE < _SEQUENCE // 2
