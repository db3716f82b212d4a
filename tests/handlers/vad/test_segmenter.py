"""From probabilities to events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError
from fastrtc_handlers.vad import VADEvent, VADOptions
from fastrtc_handlers.vad.segmenter import Segmenter

WINDOW = 512
RATE = 16000
probabilities = st.lists(st.floats(0, 1), max_size=60)


def events(scores: list[float], **options: Any) -> list[tuple[str, int, int]]:
    """The events with their positions in windows."""
    segmenter = Segmenter(VADOptions(**options), WINDOW, RATE)
    found = [event for score in scores if (event := segmenter.push(score))]
    return [(kind, position // WINDOW, decided // WINDOW) for kind, position, decided in found]


def test_speech_is_dated_to_where_it_began_and_ended() -> None:
    """Two windows decide on speech, three on silence; the event says where they began."""
    scores = [0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1]
    assert events(scores) == [("speech_start", 1, 3), ("speech_end", 4, 7)]


def test_what_is_shorter_than_min_speech_is_no_speech() -> None:
    assert events([0.1, 0.9, 0.1, 0.9, 0.1]) == []
    assert events([0.1, 0.9, 0.1], min_speech=0.0) == [("speech_start", 1, 2)]


def test_what_is_shorter_than_min_silence_is_no_end() -> None:
    assert events([0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.9]) == [("speech_start", 0, 2)]


def test_between_the_thresholds_all_goes_on() -> None:
    """0.4 neither begins nor ends speech, and does not interrupt a decision that is under way."""
    assert events([0.4] * 9) == []
    assert events([0.9, 0.9, *[0.4] * 9]) == [("speech_start", 0, 2)]
    assert events([0.9, 0.4, 0.4], min_speech=0.09) == [("speech_start", 0, 3)]
    assert events([0.9, 0.9, 0.1, 0.4, 0.4]) == [("speech_start", 0, 2), ("speech_end", 2, 5)]


def test_windows_of_which_nothing_is_known_count() -> None:
    segmenter = Segmenter(VADOptions(), WINDOW, RATE)
    segmenter.skip(10)
    segmenter.push(0.9)
    assert segmenter.push(0.9) == VADEvent("speech_start", 10 * WINDOW, 12 * WINDOW)


@given(scores=probabilities)
def test_a_reset_segmenter_is_a_new_one(scores: list[float]) -> None:
    segmenter = Segmenter(VADOptions(), WINDOW, RATE)
    first = [segmenter.push(score) for score in scores]
    segmenter.reset()
    assert [segmenter.push(score) for score in scores] == first


@given(
    scores=probabilities,
    min_speech=st.floats(0, 0.3),
    min_silence=st.floats(0, 0.3),
    threshold=st.floats(0.05, 1),
)
def test_starts_and_ends_take_turns(
    scores: list[float], min_speech: float, min_silence: float, threshold: float
) -> None:
    """Whatever is heard: start, end, start, …; in order, each decided after it happened."""
    found = events(scores, min_speech=min_speech, min_silence=min_silence, threshold=threshold)
    assert [kind for kind, _, _ in found] == (["speech_start", "speech_end"] * len(found))[
        : len(found)
    ]
    for kind, position, decided in found:
        wanted = min_speech if kind == "speech_start" else min_silence
        assert (decided - position) * WINDOW / RATE >= wanted
        first = scores[position]
        assert first >= threshold if kind == "speech_start" else first < threshold
    times = [time for _, position, decided in found for time in (position, decided)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"lower_threshold": 0.6}, "lower_threshold"),
        ({"lower_threshold": 0}, "lower_threshold"),
        ({"min_speech": -1}, "min_speech"),
        ({"min_silence": 500}, "min_silence"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], named: str) -> None:
    """The text names the option; 500 was meant to be milliseconds."""
    with pytest.raises(ConfigurationError, match=f"^{named} must be .*: {options[named]}"):
        VADOptions(**options)


def test_the_lower_threshold_follows_the_upper() -> None:
    assert VADOptions(threshold=0.7).release == pytest.approx(0.55)
    assert VADOptions(threshold=0.1).release == pytest.approx(0.05)
    assert VADOptions(threshold=0.7, lower_threshold=0.2).release == 0.2
