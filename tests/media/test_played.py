"""What was played, beside what is received: the same delay whatever happens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.media.played import HELD_BACK, SPAN, Played

RATE = 16000
FRAME = 320


def ramp(position: int, count: int) -> np.ndarray:
    """Samples that tell where they are."""
    return ((np.arange(position, position + count)) % 30000 + 1).astype(np.int16)


def run(
    played: Played,
    seconds: float,
    *,
    late: list[float] | None = None,
    received_late: list[float] | None = None,
    drift: float = 0.0,
) -> tuple[list[int], list[np.ndarray]]:
    """Send a ramp and receive as much; returns by how much each frame lags, in samples."""
    events: list[tuple[float, int, int]] = []
    frames = round(seconds / 0.02)
    for number in range(frames):
        delay = late[number % len(late)] if late else 0.0
        events.append((number * 0.02 + delay, 0, number))
        delay = received_late[number % len(received_late)] if received_late else 0.0
        events.append(((number + 1) * 0.02 * (1 + drift) + delay, 1, number))
    # Nothing overtakes anything.
    for kind in (0, 1):
        times = np.maximum.accumulate([now for now, what, _ in events if what == kind])
        events = [event for event in events if event[1] != kind] + [
            (float(now), kind, number) for number, now in enumerate(times)
        ]
    lags: list[int] = []
    heard: list[np.ndarray] = []
    for now, kind, number in sorted(events):
        if kind == 0:
            played.send(ramp(number * FRAME, FRAME), 10 + now)
            continue
        data = played.receive(FRAME, 10 + now)
        heard.append(data)
        if data[-1]:
            lags.append(((number + 1) * FRAME - int(data[-1])) % 30000)
    return lags, heard


def test_what_was_played_meanwhile_lags_by_what_is_held_back() -> None:
    lags, _ = run(Played(RATE), 2.0)
    assert set(lags) == {round(HELD_BACK * RATE)}


@given(
    late=st.lists(st.floats(0, 0.018), min_size=1, max_size=9),
    received_late=st.lists(st.floats(0, 0.1), max_size=9),
)
def test_jitter_moves_nothing(late: list[float], received_late: list[float]) -> None:
    """Neither what is sent late nor what comes late: whoever is quickest is in time."""
    played = Played(RATE)
    lags, heard = run(played, 4.0, late=late, received_late=[0.0, *received_late])
    settled = lags[len(lags) // 2 :]
    # Pieces are told apart by where they belong, so all of it is there once.
    assert max(settled) - min(settled) <= 0.007 * RATE
    assert np.count_nonzero(np.diff(np.concatenate(heard[100:-10]).astype(int)) != 1) <= 100


@pytest.mark.parametrize("drift", [1e-4, -1e-4])
def test_clocks_that_drift_are_followed(drift: float) -> None:
    lags, _ = run(Played(RATE), 120.0, drift=drift)
    assert max(lags) - min(lags) <= 0.012 * RATE, "12 ms of it, where nothing was followed"
    steps = np.abs(np.diff(lags))
    assert np.median(steps) == 0
    assert steps.max() <= 2


@pytest.mark.parametrize("lost", [3, 10, 40])
def test_what_is_lost_on_the_way_here_costs_a_third_of_a_second(lost: int) -> None:
    """Frames that never come are missing beside what was played as well."""
    played = Played(RATE)
    lags: dict[int, int] = {}
    for number in range(200):
        played.send(ramp(number * FRAME, FRAME), number * 0.02)
        if not 100 <= number < 100 + lost:
            data = played.receive(FRAME, (number + 1) * 0.02)
            lags[number] = ((number + 1) * FRAME - int(data[-1])) % 30000
    held = round(HELD_BACK * RATE)
    assert {lag for number, lag in lags.items() if 5 < number < 100} == {held}
    assert {lag for number, lag in lags.items() if number >= 100 + lost + 15} == {held}


def test_what_is_late_and_catches_up_moves_nothing() -> None:
    """A stall of a TCP connection: 200 ms come at once."""
    played = Played(RATE)
    lags: list[int] = []
    sent = 0
    for number in range(200):
        now = max((number + 1) * 0.02, 2.2 if 100 <= number < 110 else 0.0)
        while sent * 0.02 < now:
            played.send(ramp(sent * FRAME, FRAME), sent * 0.02)
            sent += 1
        data = played.receive(FRAME, now)
        lags.append(((number + 1) * FRAME - int(data[-1])) % 30000)
    assert set(lags[5:]) == {round(HELD_BACK * RATE)}


def test_a_pause_is_silence_of_its_length() -> None:
    played = Played(RATE)
    heard = []
    for number in range(100):
        if not 20 <= number < 50:
            played.send(np.full(FRAME, 7, np.int16), number * 0.02)
        heard.append(played.receive(FRAME, (number + 1) * 0.02))
    silent = np.flatnonzero(np.concatenate(heard) == 0)
    assert len(silent[silent > FRAME]) == 30 * FRAME


def test_what_is_taken_back_was_not_played() -> None:
    played = Played(RATE)
    played.send(np.full(2 * FRAME, 7, np.int16), 0.0)
    played.take_back(FRAME)
    played.send(np.full(FRAME, 9, np.int16), 0.02)
    data = played.receive(3 * FRAME, 0.06 + HELD_BACK)
    assert data.tolist() == [7] * FRAME + [9] * FRAME + [0] * FRAME


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 60000), st.floats(0, 5)),
            st.tuples(st.just("receive"), st.integers(0, 5000), st.floats(0, 5)),
            st.tuples(st.just("take_back"), st.integers(0, 90000), st.floats(0, 5)),
        ),
        max_size=30,
    )
)
def test_whatever_comes_is_answered_within_bounds(
    events: list[tuple[str, int, float]],
) -> None:
    played = Played(RATE)
    now = 100.0
    for kind, count, wait in events:
        now += wait
        if kind == "send":
            played.send(np.ones(count, np.int16), now)
        elif kind == "take_back":
            played.take_back(count)
        else:
            assert played.receive(count, now).shape == (count,)
    assert len(played._ring) == SPAN * RATE
