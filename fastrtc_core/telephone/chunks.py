"""The audio of a call by its own numbers and times, not by those of its arrival; without I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DEPTH = 5
"""Chunks (of 20 ms) that wait for one before them; then it is given up."""

RESTART = 500
"""A number that is so far behind is no late one: the service counts anew."""

MIN_GAP = 0.1
"""Length in s of a hole in the times from which on it is filled: clocks of services jitter."""

MAX_GAP = 2.0
"""Length in s of the silence that fills one hole; every turn ends within it."""

_DIGITS = 15


class _Piece(NamedTuple):
    samples: NDArray[np.int16]
    start: int | None
    """In ms."""


class Chunks:
    """Orders chunks by number, leaves out those that come twice, and fills holes with silence.

    Services do not promise the order, and send all the time, so that what does not come is either
    late or lost. Late audio is as good as any; of lost audio the next time stamp tells.

    Args:
        sample_rate: Of the audio, in Hz.
        timed: Whether time stamps are those of the audio, rather than of a clock on the wall.

    Attributes:
        repeated: Chunks that came twice, or too late.
    """

    def __init__(self, sample_rate: int, *, timed: bool) -> None:
        self.repeated = 0
        self._rate = sample_rate
        self._timed = timed
        self._next: int | None = None
        self._held: dict[int, _Piece] = {}
        self._end: float | None = None
        """When the last piece ended, in ms."""

    def push(self, samples: NDArray[np.int16], number: Any, time: Any) -> NDArray[np.int16] | None:
        """Take a chunk.

        Args:
            samples: Of shape `(1, samples)`.
            number: Of the chunk, as the service sent it; chunks without one stay where they are.
            time: When it begins, in ms, as the service sent it.

        Returns:
            What is now in order, `(1, samples)`; `None` for nothing.
        """
        piece = _Piece(samples, _whole(time) if self._timed else None)
        index = _whole(number)
        return self._joined([piece] if index is None else self._order(index, piece))

    def flush(self) -> NDArray[np.int16] | None:
        """What still waits for chunks before it, at the end of the call."""
        held, self._held = self._held, {}
        return self._joined([held[number] for number in sorted(held)])

    def _order(self, number: int, piece: _Piece) -> list[_Piece]:
        ready: list[_Piece] = []
        if self._next is None:
            self._next = 1 if 1 <= number <= DEPTH else number  # the first two may be swapped
        elif number < self._next - RESTART:
            ready = [self._held[each] for each in sorted(self._held)]
            self._held.clear()
            self._next = number
        if number < self._next or number in self._held:
            self.repeated += 1
            return ready
        self._held[number] = piece
        while self._held:
            if self._next not in self._held:
                if len(self._held) <= DEPTH:
                    break
                self._next = min(self._held)
            ready.append(self._held.pop(self._next))
            self._next += 1
        return ready

    def _joined(self, pieces: list[_Piece]) -> NDArray[np.int16] | None:
        parts: list[NDArray[np.int16]] = []
        for piece in pieces:
            if (missing := self._missing(piece)) > 0:
                parts.append(np.zeros((1, missing), np.int16))
            parts.append(piece.samples)
        if len(parts) < 2:
            return parts[0] if parts else None
        return np.concatenate(parts, axis=1)

    def _missing(self, piece: _Piece) -> int:
        """Samples that the times say are missing before a piece."""
        if piece.start is None:
            self._end = None
            return 0
        gap = 0.0 if self._end is None else (piece.start - self._end) / 1000
        self._end = piece.start + 1000 * piece.samples.shape[1] / self._rate
        return 0 if gap < MIN_GAP else round(min(gap, MAX_GAP) * self._rate)


def _whole(value: Any) -> int | None:
    """A whole number, written as such or as text."""
    if type(value) is int and 0 <= value < 10**_DIGITS:
        return value
    if isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdecimal():
        return int(value)
    return None
