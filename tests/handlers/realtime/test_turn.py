"""How much of which item was heard, for any items and any place."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AudioFrame
from fastrtc_handlers.realtime.turn import Turn

RATE = 24000

few = settings(max_examples=25)
lengths = st.lists(st.integers(0, 30), min_size=1, max_size=5)


def turn_of(items: list[int], ahead: float = 1e9) -> Turn:
    turn = Turn(1, ahead=ahead, patience=1.0)
    for number, packets in enumerate(items):
        for _ in range(packets):
            turn.sound(f"item_{number}", AudioFrame(RATE, np.ones((1, 480), np.int16)))
    return turn


@few
@given(lengths, st.floats(0, 3))
def test_what_was_heard_of_all_items_is_what_was_heard(items: list[int], heard: float) -> None:
    """And no item is said to be longer than what came of it: the API would refuse that."""
    turn = turn_of(items)
    heard = min(heard, turn.length)
    cut = dict(turn.unheard(heard))
    parts = [cut.get(f"item_{number}", 20 * packets) / 1000 for number, packets in enumerate(items)]
    assert abs(sum(parts) - heard) <= 0.001 * len(items) + 1e-6
    for number, packets in enumerate(items):
        assert 0 <= cut.get(f"item_{number}", 0) <= 20 * packets
    # What comes after one that was cut was not heard at all.
    first = min((int(name[5:]) for name in cut), default=len(items))
    assert not any(cut[name] for name in cut if int(name[5:]) > first)


@few
@given(lengths, st.floats(0.02, 1))
def test_what_waits_is_bounded_and_nothing_is_lost_uncounted(
    items: list[int], ahead: float
) -> None:
    turn = turn_of(items, ahead)
    assert turn.length <= ahead + 1e-6
    assert abs(turn.length + turn.dropped - 0.02 * sum(items)) < 1e-6


@few
@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=8))
def test_the_words_that_were_heard_only_grow(words: list[str]) -> None:
    turn = turn_of([50])
    item = turn.item("item_0")
    item.text, item.done = " ".join(words), True
    heard = [item.words(second / 20) for second in range(21)]
    assert all(after.startswith(before) for before, after in itertools.pairwise(heard))
    assert (heard[0], heard[-1]) == ("", item.text)
