"""Words as chords: what was said is read again, over a codec and a line that loses packets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AudioFrame
from fastrtc_core.testing import Line, connect
from fastrtc_handlers import Echo
from fastrtc_handlers.testing import ToneSpeech, VocabularyError

WORDS = st.lists(
    st.sampled_from(["yes", "no", "a", "the", "table", "river,", "two", "three!", "four"]),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(WORDS, st.integers(0, 3000), st.sampled_from([8000, 16000, 22050, 24000, 48000]))
def test_what_is_said_is_read(words: list[str], silence: int, rate: int) -> None:
    """At any rate, wherever it begins, and words that are said twice are read twice."""
    speech = ToneSpeech()
    said = speech.say(" ".join(words), rate)
    padded = np.pad(said.data, ((0, 0), (silence, 500)))
    read = speech.read(AudioFrame(rate, padded))
    assert [word.text for word in read] == words
    for number, word in enumerate(read):
        assert word.start == pytest.approx(silence / rate + number * 0.2, abs=0.03)


def test_half_a_word_is_none() -> None:
    """What was cut off in the middle of it was not heard; half of it was."""
    speech = ToneSpeech()
    said = speech.say("one two")
    for seconds, count in ((0.22, 1), (0.24, 1), (0.3, 2), (0.36, 2)):
        cut = said.data[:, : round(seconds * said.sample_rate)]
        assert len(speech.read(AudioFrame(said.sample_rate, cut))) == count


def test_marks_are_not_said_and_words_run_out() -> None:
    speech = ToneSpeech()
    assert speech.say(" – . ").samples_per_channel == 0
    assert speech.text(AudioFrame(24000, np.zeros((1, 0), np.int16))) == ""
    with pytest.raises(VocabularyError):
        speech.say(" ".join(f"word{number}" for number in range(1000)))


async def test_it_survives_a_bad_line() -> None:
    """Every tenth packet is lost there, and again on the way back."""
    speech = ToneSpeech()
    words = [f"word{number}" for number in range(40)]
    async with connect(Echo(), line=Line(loss=0.1, jitter=0.03, seed=2)) as peer:
        await peer.speak(speech.say(" ".join(words)))
        await peer.speak(AudioFrame(24000, np.zeros((1, 12000), np.int16)))
    rows = np.concatenate([timed.data for _, timed in peer.heard], axis=1)
    read = speech.text(AudioFrame(peer.heard[0][1].sample_rate, rows)).split()
    wrong = sum(one != other for one, other in itertools.zip_longest(words, read))
    assert wrong <= 2, read
