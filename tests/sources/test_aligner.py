"""`ChannelAligner` against a simple model, and in the cases that it is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, InvalidFrameError
from fastrtc_core.sources import Block, ChannelAligner

from ..examples import tries
from .files import ramp

RATE = 1000


def block(pts: int, samples: int, channel: int = 0, channels: int = 1) -> Block:
    data = ramp(samples, channel + channels, start=pts)[channel:]
    return Block(data, RATE, pts)


class Model:
    """What should come out, sample by sample in dictionaries."""

    def __init__(self, inputs: int, size: int, skew: int) -> None:
        self.size, self.skew = size, skew
        self.samples: list[dict[int, int]] = [{} for _ in range(inputs)]
        self.position = 0
        self.out: list[tuple[int, list[list[int]], bool]] = []

    def push(self, index: int, block: Block) -> None:
        for at, value in zip(range(block.pts, block.end), block.data[0].tolist(), strict=True):
            if at >= self.position:
                self.samples[index].setdefault(at, value)
                while at >= self.position + self.size + self.skew:
                    self.cut(self.size)
            self.complete()

    def complete(self) -> None:
        span = range(self.position, self.position + self.size)
        while all(all(at in row for at in span) for row in self.samples):
            self.cut(self.size)
            span = range(self.position, self.position + self.size)

    def cut(self, size: int) -> None:
        span = range(self.position, self.position + size)
        rows = [[row.get(at, 0) for at in span] for row in self.samples]
        holes = any(at not in row for row in self.samples for at in span)
        self.out.append((self.position, rows, holes))
        self.position += size

    def flush(self) -> None:
        while (end := max((at + 1 for row in self.samples for at in row), default=0)) > (
            self.position
        ):
            self.cut(min(self.size, end - self.position))


pushes = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-8, 12), st.integers(1, 25)), max_size=30
)


@settings(max_examples=tries(150), deadline=None)
@given(pushes=pushes, size=st.integers(1, 12), skew=st.integers(0, 30))
def test_it_does_what_the_model_does(
    pushes: list[tuple[int, int, int]], size: int, skew: int
) -> None:
    """Blocks of three inputs with holes, repetitions and delays: every sample in its place."""
    aligner = ChannelAligner(3, RATE, size, max_skew=skew / RATE, max_gap=1e6, start=0)
    model = Model(3, size, skew)
    ends = [0, 0, 0]
    out: list[Block] = []
    for index, shift, samples in pushes:
        piece = block(max(0, ends[index] + shift), samples, index)
        ends[index] = piece.end
        out += aligner.push(index, piece)
        model.push(index, piece)
    out += aligner.flush()
    model.flush()
    got = [(one.pts, one.data.tolist(), one.discontinuity) for one in out]
    assert got == model.out
    taken = sum(one.taken + one.filled for one in aligner.statistics)
    assert taken == 3 * sum(one.samples for one in out)


def test_a_lost_block_shifts_nothing() -> None:
    """The hole is silent and flagged; the other channel and what comes after are in place."""
    aligner = ChannelAligner(2, RATE, 20, max_skew=0.05)
    out: list[Block] = []
    for n in range(20):
        for index in (0, 1):
            if (n, index) != (7, 1):
                out += aligner.push(index, block(n * 20, 20, index))
    out += aligner.flush()
    assert [one.pts for one in out] == list(range(0, 400, 20))
    assert [one.pts for one in out if one.discontinuity] == [140]
    whole = np.concatenate([one.data for one in out], axis=1)
    expected = ramp(400, 2)
    expected[1, 140:160] = 0
    assert whole.tolist() == expected.tolist()
    assert aligner.statistics[1].filled == 20


def test_the_skew_is_bounded() -> None:
    """An input that says nothing is waited for so long, and then no more."""
    aligner = ChannelAligner(2, RATE, 10, max_skew=0.03)
    assert not aligner.push(0, block(0, 40))
    assert [one.pts for one in aligner.push(0, block(40, 10))] == [0]
    late = aligner.push(1, block(0, 20, 1))
    assert [(one.pts, one.discontinuity) for one in late] == [(10, False)]
    assert aligner.statistics[1].late == 10


def test_inputs_may_have_several_channels() -> None:
    """They stand side by side."""
    aligner = ChannelAligner([2, 1], RATE, 10)
    aligner.push(0, block(0, 10, channels=2))
    (out,) = aligner.push(1, block(0, 10, 2))
    assert out.data.tolist() == ramp(10, 3).tolist()
    with pytest.raises(InvalidFrameError, match=r"input 1 has 1 channel\(s\)"):
        aligner.push(1, block(10, 10, channels=2))


def test_an_input_that_has_ended_is_not_waited_for() -> None:
    """It is silent from then on, and that is no hole."""
    aligner = ChannelAligner(2, RATE, 10, max_skew=10)
    aligner.push(0, block(0, 30))
    assert [one.pts for one in aligner.push(1, block(0, 10, 1))] == [0]
    rest = aligner.end(1)
    assert [(one.pts, one.discontinuity) for one in rest] == [(10, False), (20, False)]
    assert not rest[0].data[1].any()


def test_a_long_gap_is_left_out() -> None:
    """An hour without anything is no hour of silence."""
    aligner = ChannelAligner(1, RATE, 10, max_gap=1.0)
    aligner.push(0, block(0, 15))
    out = aligner.push(0, block(3_600_000, 20))
    assert [(one.pts, one.samples, one.discontinuity) for one in out] == [
        (10, 5, False),
        (3_600_000, 10, True),
        (3_600_010, 10, False),
    ]


def test_one_input_alone_is_a_filler_of_gaps() -> None:
    """Without any delay, whatever the lengths of what comes."""
    aligner = ChannelAligner(1, RATE, 20, max_skew=0)
    out = aligner.push(0, block(0, 50)) + aligner.push(0, block(55, 45))
    whole = np.concatenate([one.data for one in out + aligner.flush()], axis=1)
    expected = ramp(100)
    expected[0, 50:55] = 0
    assert whole.tolist() == expected.tolist()


@pytest.mark.parametrize("arguments", [(0, RATE, 10), ([1, 0], RATE, 10), (1, RATE, 0)])
def test_what_makes_no_sense_is_refused(arguments: tuple[int, int, int]) -> None:
    """With an error at once."""
    with pytest.raises(ConfigurationError):
        ChannelAligner(*arguments)
