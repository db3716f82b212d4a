"""Which words of a sentence were heard, by the times of a voice and by the length of its audio."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastrtc_core import AudioFrame, SpokenFrame, WordTime
from fastrtc_core.speech.words import Pace, SpokenSentence

RATE = 1000


def sentence(text: str, spoken: str | None = None, *, seconds: float = 0.0) -> SpokenSentence:
    """One whose audio, if any, is a constant sound."""
    made = SpokenSentence(text, text.strip() if spoken is None else spoken, Pace())
    if seconds:
        made.add(RATE, np.full((1, round(RATE * seconds)), 1000, np.int16))
        made.complete()
    return made


def heard(made: SpokenSentence, seconds: float) -> str:
    return made.heard_text(seconds).strip()


def test_words_of_one_length_share_the_sentence() -> None:
    """A word was heard when half of it was, and all of them at the end of the audio."""
    made = sentence("abcd efgh ijkl mnop", seconds=1.6)
    texts = [heard(made, n / 10) for n in range(17)]
    assert texts[:2] == ["", ""]
    assert texts[3:6] == ["abcd"] * 3
    assert texts[7:10] == ["abcd efgh"] * 3
    assert texts[11:14] == ["abcd efgh ijkl"] * 3
    assert texts[15:] == ["abcd efgh ijkl mnop"] * 2
    assert [made.heard_words(n / 10) for n in (1, 3, 7, 11, 15)] == [0, 1, 2, 3, 4]


def test_numbers_commas_and_initials_take_longer_than_their_letters() -> None:
    """The middle of the audio is not in the middle of the text."""
    assert heard(sentence("1789, a small one", seconds=2), 1.0) == "1789,"
    assert heard(sentence("NASA a small one", seconds=2), 0.9) == "NASA"


def test_silence_around_the_sounds_belongs_to_no_word() -> None:
    """Some voices begin and end with half a second of it."""
    made = SpokenSentence("abcd efgh", "abcd efgh", Pace())
    made.add(RATE, np.zeros((1, 500), np.int16))
    made.add(RATE, np.full((2, 400), 0.5))
    made.add(RATE, np.zeros((1, 500), np.float32))
    made.complete()
    assert [heard(made, at) for at in (0.55, 0.65, 0.75, 0.85, 1.3)] == [
        "",
        "abcd",
        "abcd",
        "abcd efgh",
        "abcd efgh",
    ]


def test_what_the_voice_tells_counts() -> None:
    """And what it does not tell is divided between; over several frames."""
    text = "One two three four."
    made = SpokenSentence(text, text, Pace())
    frame = AudioFrame(RATE, np.full((1, 1000), 1000, np.int16))
    assert SpokenFrame.of(frame, []).words == ()
    first = SpokenFrame.of(frame, [WordTime(0, 0.0), WordTime(4, 0.8)])
    second = SpokenFrame.of(frame, [WordTime(14, 0.6)])
    for each in (first, second):
        made.add(*each, each.words)
    made.complete()
    assert [heard(made, at) for at in (0.2, 0.3, 0.8, 1.0, 1.6, 1.7, 2.0)] == [
        "",
        "One",
        "One",
        "One two",
        "One two three",
        "One two three",
        text,
    ]


def test_times_that_make_no_sense_do_no_harm() -> None:
    """Positions past the end, times that go back, and after the audio."""
    text = "One two three."
    made = SpokenSentence(text, text, Pace())
    times = [WordTime(4, 0.5), WordTime(8, 0.1), WordTime(99, -1.0), WordTime(8, 7.0)]
    made.add(RATE, np.full((1, 1000), 1000, np.int16), times)
    made.complete()
    assert [made.heard_words(n / 10) for n in range(11)] == sorted(
        made.heard_words(n / 10) for n in range(11)
    )
    assert heard(made, 1.0) == text


@pytest.mark.parametrize(
    ("text", "spoken", "expected"),
    [
        (" It is **very bold** 😀.", "It is very bold.", ["It", "is", "**very", "bold** 😀."]),
        ("[the docs](https://a.b/c)!", "the docs!", ["[the", "docs](https://a.b/c)!"]),
        ("See https://www.a.com/x?y, or", "See a.com, or", ["See", "https://www.a.com/x?y,", "or"]),
        ("你好,世界。", "你好,世界。", ["你", "好,", "世", "界。"]),
        ("A – b", "A – b", ["A –", "b"]),
        ("a &amp; b", "a & b", ["a &amp;", "b"]),
    ],
)
def test_words_as_they_were_written(text: str, spoken: str, expected: list[str]) -> None:
    """With the Markdown and the marks around them."""
    made = sentence(text, spoken, seconds=4)
    cuts = sorted({made.heard_text(n / 100) for n in range(401)}, key=len)
    assert cuts[0] == ""
    assert cuts[-1] == text
    parts = [b[len(a) :].strip() for a, b in itertools.pairwise(cuts)]
    if "–" in text or "&" in text:  # what is only seen goes with the word before or behind it
        assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    else:
        assert parts == expected


def test_what_is_only_for_the_eye_was_there_with_what_is_before() -> None:
    """It has no words."""
    made = SpokenSentence("```", "", Pace())
    made.complete()
    assert made.words == 0
    assert made.heard_text(0.001) == "```"


def test_the_rest_of_a_sentence_that_is_still_made_is_estimated() -> None:
    """By the pace of the voice so far."""
    pace = Pace()
    text = "abcd efgh ijkl mnop"
    slow = SpokenSentence(text, text, pace)
    slow.add(RATE, np.full((1, 8000), 1000, np.int16))
    slow.complete()
    made = SpokenSentence(text, text, pace)
    made.add(RATE, np.full((1, 3000), 1000, np.int16))
    assert heard(made, 1.9) == "abcd"
    assert heard(made, 3.0) == "abcd efgh"
    fresh = SpokenSentence(text, text, Pace())
    fresh.add(RATE, np.full((1, 300), 1000, np.int16))
    assert heard(fresh, 0.3) == "abcd", "by a common pace"
