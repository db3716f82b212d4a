"""Delays of lines that are idle, too narrow, emptying, uneven; and clocks that jump."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.media.delay_trend import DelayTrend, Usage


def usages(
    trend: DelayTrend, delay: Callable[[float], float], begin: float, end: float
) -> Iterator[Usage]:
    """How it goes with pictures of three packets, 30 a second."""
    for number in range(int(begin * 30), int(end * 30)):
        sent = number / 30
        for packet in range(3):
            trend.add(sent + packet / 1000, sent + packet / 1000 + delay(sent))
        yield trend.usage


def test_an_even_line_is_not_overused() -> None:
    """However long its packets take."""
    for delay in (0.0, 0.2):
        assert set(usages(DelayTrend(), lambda _, d=delay: d, 0, 10)) == {  # type: ignore[misc]
            Usage.NORMAL
        }


def test_delay_that_grows_is_found_soon_and_so_is_its_end() -> None:
    """By 60 ms a second: what is sent is 6 % too much."""
    trend = DelayTrend()
    assert set(usages(trend, lambda _: 0.02, 0, 3)) == {Usage.NORMAL}
    grows = list(usages(trend, lambda t: 0.02 + 0.06 * (t - 3), 3, 6))
    assert Usage.OVER in grows[:30]
    falls = list(usages(trend, lambda t: max(0.02, 0.2 - 0.06 * (t - 6)), 6, 9))
    assert Usage.UNDER in falls
    assert Usage.OVER not in falls[30:]
    assert list(usages(trend, lambda _: 0.02, 9, 12))[-1] is Usage.NORMAL


def test_uneven_delay_is_no_trend() -> None:
    """As on Wi-Fi: some ms each, and now and then many."""
    chance = random.Random(1)

    def delay(_: float) -> float:
        return 0.01 + chance.expovariate(300) + (0.05 if chance.random() < 0.01 else 0)

    found = list(usages(DelayTrend(), delay, 0, 60))
    assert found.count(Usage.OVER) < 0.04 * len(found)


def test_a_clock_that_jumps_is_no_trend() -> None:
    trend = DelayTrend()
    assert set(usages(trend, lambda _: 0.02, 0, 3)) == {Usage.NORMAL}
    for jump in (3600.0, -7200.0, 0.0):
        assert set(usages(trend, lambda _, j=jump: j, 3, 6)) == {Usage.NORMAL}  # type: ignore[misc]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e9, 1e9)), max_size=60))
def test_nothing_that_is_told_breaks_it(packets: list[tuple[float, float]]) -> None:
    trend = DelayTrend()
    for sent, arrived in packets:
        trend.add(sent, arrived)
    assert 6 <= trend._threshold <= 600
    assert trend._trend == trend._trend, "a number"
