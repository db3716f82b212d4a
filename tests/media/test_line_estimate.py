"""Estimates of lines that are narrow, that change, that are shared, uneven or lossy."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core.media.line_estimate import LineEstimate
from fastrtc_core.media.sent_packets import Fate

from ..examples import tries
from .lines import Line, send

LOW, HIGH = 150_000, 3_000_000


@pytest.mark.parametrize("rate", [300_000, 600_000, 1_000_000, 2_000_000, 3_000_000])
def test_a_line_is_filled_and_no_more(rate: int) -> None:
    """Sound beside the pictures hardly waits, and pictures keep their pace."""
    seen = send(Line(lambda _: rate), 20)
    assert 0.66 * rate < seen.estimate(3, 20) < rate
    assert seen.fps(3, 20) > 28
    packet = 8 * 1260 / rate  # on the line already, when sound comes
    assert seen.waited(0.5, 3) < 0.02 + packet
    assert seen.waited(0.95, 3) < 0.06 + 3 * packet


def test_an_idle_line_is_found_out_at_once() -> None:
    """By probes, in place of growth of 8 % a second, which takes 14 s for this."""
    seen = send(Line(lambda _: 1e8), 6)
    assert seen.estimate(2, 6) == HIGH
    assert seen.waited(1) < 0.02
    slow = send(Line(lambda _: 1e8), 6, probes=False)
    assert slow.estimate(2, 3) < 0.5 * HIGH


def test_a_line_that_becomes_narrow_and_wide_again() -> None:
    """Sound p95 within 50 ms throughout, pictures again within 3 s, the whole rate within 10 s."""
    seen = send(Line(lambda time: 2e6 if not 20 <= time < 40 else 5e5), 60)
    assert seen.waited(0.95) < 0.065
    assert seen.fps(23, 40) > 28
    assert seen.rate(23, 40) > 0.65 * 5e5
    assert seen.rate(40, 50) > 0.5 * 2e6
    assert seen.rate(50, 60) > 0.8 * 2e6
    assert seen.waited(0.95, 23, 40) < 0.09


@pytest.mark.parametrize("seed", range(3))
def test_a_line_is_shared(seed: int) -> None:
    """With a flow that does not yield: what is left is used, and the queue does not stay."""
    line = Line(lambda _: 2e6, other=lambda time: 1e6 if 10 <= time < 20 else 0)
    seen = send(line, 32, seed=seed)
    assert seen.rate(12, 20) < 1e6
    assert seen.rate(12, 20) > 0.6e6
    assert seen.waited(0.5, 13, 20) < 0.1
    assert seen.rate(27, 32) > 1.2e6


def test_a_line_that_wavers() -> None:
    """As LTE does, by a factor of five within seconds: pictures go on, and few are lost."""

    def rate(time: float) -> float:
        return 1e6 * (1.4 + 0.7 * math.sin(0.9 * time) + 0.3 * math.sin(2.3 * time + 1))

    seen = send(Line(rate, delay=0.04), 60)
    assert seen.fps(2, 60) > 24
    assert seen.lost < 0.01 * len(seen.sent)
    assert seen.waited(0.5) < 0.03
    assert seen.rate(2, 60) > 0.35e6


def test_an_uneven_line_is_not_taken_for_a_narrow_one() -> None:
    """As Wi-Fi is: some ms more for each packet, and 60 for one in a hundred."""

    def jitter(chance: random.Random) -> float:
        return chance.expovariate(250) + (0.06 if chance.random() < 0.01 else 0)

    seen = send(Line(lambda _: 5e6, jitter=jitter), 20)
    assert seen.rate(8, 20) > 1.5e6


@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_some_loss_is_none_of_its_business(loss: float) -> None:
    """A radio loses that much, whatever is sent (draft-ietf-rmcat-gcc-02 section 6)."""
    assert send(Line(lambda _: 1e8, loss=loss), 15).estimate(8, 15) > 1.6e6


def test_much_loss_is() -> None:
    """A line may lose what is too much in place of having it wait."""
    seen = send(Line(lambda _: 1e6, queue=0.04), 20)
    assert 0.6e6 < seen.estimate(5, 20) < 1.2e6
    assert seen.lost < 0.1 * len(seen.sent)
    assert send(Line(lambda _: 1e8, loss=0.3), 15).estimate(10, 15) < 0.6e6


def test_pictures_that_need_little_do_not_lower_it() -> None:
    """Nor raise it for ever: nobody has seen what the line carries beyond."""
    seen = send(Line(lambda _: 1e8), 30, content=lambda time: 2e5 if time < 20 else 1e9)
    assert seen.estimate(5, 20) >= 1e6
    assert seen.rate(22, 30) > 1.5e6


def test_silence_of_the_other_side_halves_it() -> None:
    """Once a second, down to its bound; and it comes back."""
    estimate = LineEstimate(2e6, LOW, HIGH)
    estimate.take([Fate(1000, 0.0, 5.0, False, 0)], 0.1)
    found = []
    for tenth in range(60):
        now = 0.1 + tenth / 10
        estimate.check(now, now)
        found.append(estimate.bit_rate)
    assert found[8] == 2e6
    assert found[12] == 1e6
    assert found[-1] == LOW
    never = LineEstimate(2e6, LOW, HIGH)
    never.check(100, 100)
    assert never.bit_rate == 2e6, "who never told anything is not silent"


fates = st.lists(
    st.builds(
        Fate,
        size=st.integers(1, 1500),
        sent=st.floats(0, 100),
        arrived=st.none() | st.floats(-1e6, 1e6),
        found=st.booleans(),
        probe=st.integers(0, 3),
    ),
    max_size=20,
)


@settings(max_examples=tries(60))
@given(st.lists(st.tuples(fates, st.floats(0, 2)), max_size=20))
def test_it_stays_within_its_bounds(reports: list[tuple[list[Fate], float]]) -> None:
    """Whatever is told, in whatever order: feedback may lie."""
    estimate = LineEstimate(1e6, LOW, HIGH)
    now = 0.0
    for told, passed in reports:
        now += passed
        estimate.take(told, now)
        estimate.check(passed, now)
        assert LOW <= estimate.bit_rate <= HIGH
        assert 0 <= estimate.hold(100_000, now) <= 1
        if (probe := estimate.next_probe(now)) is not None:
            assert 0 < probe.bit_rate <= HIGH
            assert 10 <= probe.packets <= 20
            assert 0 < probe.size <= 1200


def test_all_at_the_same_moment_is_bounded() -> None:
    """Feedback that tells one time for all packets costs no more than any other."""
    estimate = LineEstimate(1e6, LOW, HIGH)
    for number in range(5000):
        estimate.take([Fate(1200, 0.0, 1.0, False, 0)], number / 100)
    assert len(estimate._came._packets) <= 2048
    assert len(estimate._sent._packets) <= 2048
