"""The buffer of samples, against a list."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fastrtc_core.media.samples import SampleBuffer

from ..examples import tries


class BufferAgainstList(RuleBasedStateMachine):
    """Every sample is numbered; the list says which must come next."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = SampleBuffer(2)
        self.model: list[int] = []
        self.next = 0

    @rule(count=st.integers(0, 50))
    def push(self, count: int) -> None:
        numbers = [(self.next + k) % 30_000 for k in range(count)]
        self.next += count
        data = np.array([numbers, [-n for n in numbers]], np.int16)
        self.buffer.push(data)
        data[:] = 31_000  # the producer reuses its array
        self.model += numbers

    @rule(count=st.integers(0, 120))
    def take(self, count: int) -> None:
        expected, self.model = self.model[:count], self.model[count:]
        taken = self.buffer.take(count)
        assert taken.dtype == np.int16
        assert taken.flags.c_contiguous
        assert taken.tolist() == [expected, [-n for n in expected]]
        taken[:] = 32_000  # the consumer works in place

    @rule()
    def clear(self) -> None:
        assert self.buffer.clear() == len(self.model)
        self.model = []

    @invariant()
    def counts(self) -> None:
        assert self.buffer.queued == len(self.model)


TestBufferAgainstList = BufferAgainstList.TestCase
TestBufferAgainstList.settings = settings(
    max_examples=tries(50), stateful_step_count=30, deadline=None
)


def test_what_was_pushed_belongs_to_the_buffer() -> None:
    """An array that its producer fills again does not change what is queued."""
    buffer = SampleBuffer(1)
    scratch = np.array([[1, 2, 3]], np.int16)
    buffer.push(scratch)
    scratch[:] = 9
    assert buffer.take(3).tolist() == [[1, 2, 3]]


def test_an_empty_buffer_gives_no_samples() -> None:
    """Taking from nothing is an array of no samples, in the right shape."""
    assert SampleBuffer(2).take(5).shape == (2, 0)
