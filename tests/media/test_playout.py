"""The playout: its ledger always balances, and its order is that of the pushes."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fastrtc_core.media.playout import Playout

from ..examples import tries


def numbered(start: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """One channel of samples that tell where they belong; none of them is 0."""
    return (np.arange(start, start + count) % 30_000 + 1).astype(np.int16)[np.newaxis]


class PlayoutAgainstModel(RuleBasedStateMachine):
    """The model is one list and four counters."""

    def __init__(self) -> None:
        super().__init__()
        self.playout = Playout(1)
        self.waiting: list[int] = []
        self.pushed = self.played = self.cleared = self.padded = 0
        self.latest: list[int] = []
        """What was pulled last."""

    @rule(count=st.integers(0, 60))
    def push(self, count: int) -> None:
        data = numbered(self.pushed, count)
        self.playout.push(data)
        self.waiting += data[0].tolist()
        self.pushed += count

    @rule(count=st.integers(1, 40))
    def pull(self, count: int) -> None:
        expected, self.waiting = self.waiting[:count], self.waiting[count:]
        self.played += len(expected)
        self.padded += count - len(expected)
        self.latest = expected
        silence = [0] * (count - len(expected))
        assert self.playout.pull(count).tolist() == [expected + silence]

    @rule()
    def put_back(self) -> None:
        latest, self.latest = self.latest, []
        self.playout.put_back(np.array([latest], np.int16).reshape(1, -1))
        self.waiting = latest + self.waiting
        self.played -= len(latest)

    @rule(count=st.integers(0, 60))
    def discard(self, count: int) -> None:
        self.playout.discard(numbered(self.pushed, count))
        self.pushed += count
        self.cleared += count

    @rule()
    def clear(self) -> None:
        assert self.playout.clear() == len(self.waiting)
        self.cleared += len(self.waiting)
        self.waiting = []

    @invariant()
    def balances(self) -> None:
        ledger = self.playout.statistics()
        queued = len(self.waiting)
        assert ledger == (self.pushed, self.played, queued, self.cleared, self.padded)
        assert ledger.pushed == ledger.played + ledger.queued + ledger.cleared
        assert (self.playout.queued, self.playout.played) == (queued, self.played)


TestPlayoutAgainstModel = PlayoutAgainstModel.TestCase
TestPlayoutAgainstModel.settings = settings(
    max_examples=tries(50), stateful_step_count=40, deadline=None
)


def test_a_tail_is_padded_and_never_a_prefix() -> None:
    """A short frame is filled up with silence; what is pushed later starts a frame of its own."""
    playout = Playout(2)
    playout.push(np.ones((2, 3), np.int16))
    assert playout.pull(5).tolist() == [[1, 1, 1, 0, 0]] * 2
    playout.push(np.full((2, 5), 2, np.int16))
    assert playout.pull(5).tolist() == [[2] * 5] * 2
    assert playout.statistics().padded == 2
