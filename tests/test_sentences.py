"""Sentences out of pieces of text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core.sentences import MAX_LENGTH, Sentences


def cut(*pieces: str) -> list[str]:
    sentences = Sentences()
    return [s for piece in pieces for s in sentences.push(piece)] + sentences.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("It costs 3.5 euros. Buy it.", ["It costs 3.5 euros.", "Buy it."]),
        ("Dr. Jones met J. R. Smith, e.g. today. Yes.", None),
        ("Is it so?! No... Well.", ["Is it so?!", "No...", "Well."]),
        ('She said "Go." He went.', ['She said "Go."', "He went."]),
        ("One line\nanother line\n\n\nthe last", ["One line", "another line", "the last"]),
        ("今日は。元気ですか？はい！", ["今日は。", "元気ですか？", "はい！"]),
        ("No. I did. It was I. Really.", ["No.", "I did.", "It was I.", "Really."]),
        ("   ", []),
        ("no end", ["no end"]),
        (". . .", None),
    ],
)
def test_what_is_a_sentence(text: str, expected: list[str] | None) -> None:
    """By what people write; abbreviations and numbers end nothing."""
    if expected is None:
        expected = {
            "Dr. Jones met J. R. Smith, e.g. today. Yes.": [
                "Dr. Jones met J. R. Smith, e.g. today.",
                "Yes.",
            ],
            ". . .": [".", ".", "."],
        }[text]
    assert cut(text) == expected
    assert cut(*text) == expected, "one character at a time"


def test_the_first_sentence_comes_before_the_second_is_complete() -> None:
    """As soon as it is known to have ended: with the space behind it."""
    sentences = Sentences()
    assert sentences.push("Good mor") == []
    assert sentences.push("ning.") == [], "it may be 3.5"
    assert sentences.push(" How") == ["Good morning."]
    assert sentences.flush() == ["How"]
    assert sentences.flush() == []


def test_what_has_no_end_is_cut_at_a_space() -> None:
    """So that no one waits for ever, and nothing grows without a bound."""
    parts = cut("word " * 200)
    assert all(len(part) <= MAX_LENGTH for part in parts)
    assert all(set(part.split()) == {"word"} for part in parts)
    assert [len(part) for part in cut("x" * 1000)] == [300, 300, 300, 100]


@given(
    st.lists(st.text(st.sampled_from("aI .?!\n。,\"'3é") | st.characters(), max_size=40)),
)
@example(["Mr", ". X", ".", " "])
def test_nothing_is_lost_and_nothing_waits(pieces: list[str]) -> None:
    """Whatever it is, and wherever it was cut; no sentence is empty or too long."""
    sentences = cut(*pieces)
    text = "".join(pieces)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)
    assert all(len(sentence) <= MAX_LENGTH + 80 for sentence in sentences)
