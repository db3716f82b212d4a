"""Sounds that come and go, on one time."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .samples import SampleBuffer

TOLERANCE = 0.06
"""Time in s by which a sound may be late and still go on where it was: the jitter of a network."""

AHEAD = 15.0
"""Length in s of what may wait because it came faster than in real time; the rest is dropped."""

QUIET = 32
"""Peak of what counts as silence: -60 dB."""


class TimelineLane:
    """The sound of one track, mono; see `Timeline`.

    Args:
        side: Which side it is heard on.
        sample_rate: In Hz.
        taken: The sample from which on it is not written yet.

    Attributes:
        dropped: Samples that found no room.
        closed: Whether nothing more comes; it goes when all of it was taken.
    """

    def __init__(self, side: int, sample_rate: int, taken: int) -> None:
        self.side = side
        self.dropped = 0
        self.closed = False
        self._tolerance = round(TOLERANCE * sample_rate)
        self._ahead = round(AHEAD * sample_rate)
        self._taken = taken
        self._runs: deque[_Stretch] = deque()
        self._pushed = 0
        self._left_out: deque[tuple[int, int]] = deque()
        """Which of the latest samples are in no run: from one to before another."""

    @property
    def queued(self) -> int:
        """Samples that wait."""
        return sum(run.queued for run in self._runs)

    def push(self, data: NDArray[np.int16], now: int) -> None:
        """Add samples of shape `(1, n)` that have just come.

        They follow what came before without a gap or overlap, unless they come later by more than
        jitter explains. Nothing is from the future: where sound comes faster than in real time, it
        was late and belongs earlier, as far as there are gaps to fill that are not written yet.
        What is ahead still gives up its silence.

        Args:
            data: The samples.
            now: At which sample the recording is.
        """
        count = data.shape[1]
        self._pushed += count
        start = max(now - count, self._taken)
        if not self._runs or start - self._runs[-1].end > self._tolerance:
            self._runs.append(_Stretch(start))
        run = self._runs[-1]
        ahead = run.end + count - now
        if ahead > 0:
            ahead -= self._move(ahead)
        if ahead > self._tolerance and np.abs(data.astype(np.int32)).max(initial=0) < QUIET:
            self._leave_out(count)
        elif ahead > self._ahead:
            self._leave_out(count)
            self.dropped += count
        else:
            run.push(data)

    def take_back(self, count: int) -> None:
        """Forget the last samples that were pushed, as far as they were not taken."""
        first = self._pushed = max(0, self._pushed - count)
        while self._left_out and self._left_out[-1][1] > first:
            start, end = self._left_out.pop()
            count -= end - max(start, first)
            if start < first:
                self._left_out.append((start, first))
        while count and self._runs:
            run = self._runs[-1]
            count -= run.drop(count)
            if run.queued:
                break
            self._runs.pop()

    def _leave_out(self, count: int) -> None:
        """The samples that were pushed last are in no run."""
        start = self._pushed - count
        if self._left_out and self._left_out[-1][1] == start:
            start = self._left_out.pop()[0]
        self._left_out.append((start, self._pushed))
        while self._left_out[0][1] < self._pushed - self._ahead:
            self._left_out.popleft()

    def _move(self, count: int) -> int:
        """Let the latest sound begin so much earlier; returns by how much it could."""
        moved: list[_Stretch] = []
        total = 0
        for run in reversed(self._runs):
            if moved:
                room = moved[-1].start - run.end
                total += self._shift(moved, min(count - total, room))
            if total == count:
                return total
            moved.append(run)
        return total + self._shift(moved, min(count - total, moved[-1].start - self._taken))

    @staticmethod
    def _shift(runs: list[_Stretch], count: int) -> int:
        for run in runs:
            run.start -= count
        return count

    def take(self, until: int) -> NDArray[np.int16]:
        """Everything up to a sample, of shape `(n,)`; silence where there is none."""
        data = np.zeros(until - self._taken, np.int16)
        while self._runs and self._runs[0].start < until:
            run = self._runs[0]
            at = run.start - self._taken
            part = run.take(until - run.start)[0]
            data[at : at + len(part)] = part
            run.start += len(part)
            if run.queued:
                break
            self._runs.popleft()
        self._taken = until
        return data


class _Stretch(SampleBuffer):
    """Sound without a gap."""

    def __init__(self, start: int) -> None:
        super().__init__(1)
        self.start = start

    def drop(self, count: int) -> int:
        """Forget the latest samples; returns how many that were."""
        kept = self.take(self.queued)
        count = min(count, kept.shape[1])
        self.push(kept[:, : kept.shape[1] - count])
        return count

    @property
    def end(self) -> int:
        """The sample after the last."""
        return self.start + self.queued


class Timeline:
    """Puts the sounds of some sides side by side, with silence where a side has none.

    Each side has any number of lanes, which are mixed.

    Args:
        sample_rate: In Hz.
        sides: How many there are; each is mono.
    """

    def __init__(self, sample_rate: int, sides: int) -> None:
        self._rate = sample_rate
        self._sides = sides
        self._lanes: list[TimelineLane] = []
        self._taken = 0

    @property
    def taken(self) -> int:
        """The sample up to which everything was taken."""
        return self._taken

    def add(self, side: int) -> TimelineLane:
        """A lane for one more sound on a side, from 0."""
        lane = TimelineLane(side, self._rate, self._taken)
        self._lanes.append(lane)
        return lane

    def take(self, until: int) -> NDArray[np.int16]:
        """Everything up to a sample, of shape `(sides, n)`; what is too loud clips."""
        until = max(until, self._taken)
        total = np.zeros((self._sides, until - self._taken), np.int32)
        for lane in self._lanes:
            total[lane.side] += lane.take(until)
        self._lanes = [lane for lane in self._lanes if lane.queued or not lane.closed]
        self._taken = until
        return np.clip(total, -32768, 32767).astype(np.int16)


def mixed(sides: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sides of shape `(sides, n)` as one, `(1, n)`; what is too loud clips."""
    total: NDArray[np.int32] = sides.sum(axis=0, keepdims=True, dtype=np.int32)
    return np.clip(total, -32768, 32767).astype(np.int16)
