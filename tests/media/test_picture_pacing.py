"""Packets of pictures leave one after the other, where they would fill a line."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.media.picture_pacing import LONGEST, PicturePacer

PACKET = 1200


def departures(
    pacer: PicturePacer, sizes: list[int], bit_rate: float, strained: bool, now: float
) -> list[float]:
    """When each packet of a picture leaves, in s."""
    pacer.begin(sum(sizes), bit_rate, strained, now)
    times = []
    for size in sizes:
        now += pacer.wait(size, now)
        times.append(now)
    return times


def test_pictures_of_usual_size_leave_at_once() -> None:
    """A thirtieth of the bit rate each: nothing is lost in latency."""
    pacer = PicturePacer()
    for number in range(60):
        now = number / 30
        assert departures(pacer, [PACKET] * 4, 30 * 4 * PACKET * 8, False, now) == [now] * 4


def test_a_keyframe_leaves_over_time() -> None:
    """At 2.5 times the bit rate, after what leaves at once."""
    times = departures(PicturePacer(), [PACKET] * 50, 2e6, False, 0.0)
    assert times[19] == 0
    assert times[-1] == pytest.approx(49 * PACKET * 8 / 5e6 - 0.04, abs=0.001)


def test_a_narrow_line_gets_no_more_than_it_carries() -> None:
    """Two packets at once, so that sound waits for these alone."""
    times = departures(PicturePacer(), [PACKET] * 20, 5e5, True, 0.0)
    assert times[:3] == [0, 0, 0]
    step = PACKET * 8 / (1.25 * 5e5)
    assert [b - a for a, b in pairwise(times[3:])] == pytest.approx([step] * 16)


def test_no_picture_takes_for_ever() -> None:
    """One that is far too large for its line leaves within half a second."""
    times = departures(PicturePacer(), [PACKET] * 500, 1e5, True, 0.0)
    assert 0.9 * LONGEST < times[-1] <= LONGEST


def test_what_is_sent_beside_pictures_counts() -> None:
    """Lost packets that are sent again are not to fill the line either."""
    pacer = PicturePacer()
    departures(pacer, [PACKET], 5e5, True, 0.0)
    for _ in range(10):
        pacer.charge(PACKET, 1.0)
    (first, *_) = departures(pacer, [PACKET], 5e5, True, 1.0)
    assert first == pytest.approx(1 + (10 * PACKET - 2520) * 8 / (1.25 * 5e5), abs=0.001)
    for _ in range(1000):
        pacer.charge(PACKET, 1.0)
    assert departures(pacer, [PACKET], 5e5, True, 1.0)[0] <= 1 + LONGEST


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 1500), min_size=1, max_size=40),
            st.floats(1e4, 1e8),
            st.booleans(),
            st.floats(0, 2),
        ),
        max_size=12,
    )
)
def test_waits_are_bounded(pictures: list[tuple[list[int], float, bool, float]]) -> None:
    """Whatever comes: each picture is gone within twice the longest time."""
    pacer, now = PicturePacer(), 0.0
    for sizes, bit_rate, strained, pause in pictures:
        times = departures(pacer, sizes, bit_rate, strained, now)
        assert times == sorted(times)
        assert times[-1] - now <= 2 * LONGEST + 1e-6
        now = times[-1] + pause
