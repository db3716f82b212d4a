"""Stop words, word boundaries, and the handler that waits for them."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import connect, tone
from fastrtc_handlers import ReplyOnStopWords, TurnOptions
from fastrtc_handlers.reply_on_stop_words import LISTENS_FOR
from fastrtc_handlers.words import after_phrase, words_of

from .test_reply_on_pause import RATE, take_turn
from .turns.test_taking import LoudIsSpeech


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, Computer! What time is it?", ["what", "time", "is", "it"]),
        ("computer", []),
        ("I have computers and supercomputer", None),
        ("hello com puter", None),
        ("ok HAL, open the door", ["open", "the", "door"]),
        ("hal", None),
        ("Hello computer computer", ["computer"]),
        ("ça va, computer — ouvre l’eau", ["ouvre", "l'eau"]),
        ("", None),
    ],
)
def test_what_is_behind_a_phrase(text: str, expected: list[str] | None) -> None:
    """At word boundaries, whatever the case and the punctuation."""
    assert after_phrase(text, ["computer", "hello computer", "OK, Hal"]) == expected


@given(st.text(), st.lists(st.text(max_size=8), max_size=3))
def test_any_text(text: str, phrases: list[str]) -> None:
    """What is behind a phrase is the end of the words."""
    rest = after_phrase(text, phrases)
    words = words_of(text)
    assert rest is None or words[len(words) - len(rest) :] == rest


class Told:
    """A recogniser that hears what it was told."""

    def __init__(self) -> None:
        self.hears = ""

    def stt(self, audio: Any) -> str:
        return self.hears


@pytest.mark.virtual_clock
async def test_it_answers_only_when_it_is_called() -> None:
    """In the same turn with all that was said, or in the next one; then it sleeps again."""
    told = Told()
    turns: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> AudioFrame:
        turns.append(audio)
        return tone(500, 0.1, 24000)

    handler = ReplyOnStopWords(
        reply,
        ["hello computer"],
        stt=told,
        input_sample_rate=RATE,
        model=LoudIsSpeech(),
        algo_options=TurnOptions(silence=0.5),
    )
    async with connect(handler) as peer:
        for hears, expected in (
            ("what time is it", 0),
            ("Hello computer, what time is it?", 1),
            ("and tomorrow?", 1),
            ("Hello, computer.", 1),
            ("what time is it", 2),
            ("what time is it", 2),
        ):
            told.hears = hears
            await take_turn(peer)
            assert len(turns) == expected, hears
        assert peer.of_type("stopword") == ["what time is it", ""]
    assert np.count_nonzero(turns[0].data) == RATE, "nothing of the turn is lost"


@pytest.mark.virtual_clock
async def test_it_does_not_listen_for_ever() -> None:
    """A stop word alone is good for eight seconds."""
    told = Told()
    turns: list[AudioFrame] = []
    now = 0.0
    handler = ReplyOnStopWords(
        turns.append,
        ["computer"],
        stt=told,
        input_sample_rate=RATE,
        model=LoudIsSpeech(),
        clock=lambda: now,
    )
    async with connect(handler) as peer:
        told.hears = "computer"
        await take_turn(peer)
        now = 9.0
        told.hears = "what time is it"
        await take_turn(peer)
        assert not turns


@pytest.mark.virtual_clock
async def test_it_listens_by_the_clock_of_the_session() -> None:
    """So that a run over a file, or on virtual time, is as one in real time."""
    told = Told()
    turns: list[AudioFrame] = []
    handler = ReplyOnStopWords(
        turns.append,
        ["computer"],
        stt=told,
        input_sample_rate=RATE,
        model=LoudIsSpeech(),
        algo_options=TurnOptions(silence=0.5),
    )
    async with connect(handler) as peer:
        for pause, answered in ((LISTENS_FOR - 3, 1), (LISTENS_FOR + 1, 1)):
            told.hears = "computer"
            await take_turn(peer)
            told.hears = "what time is it"
            await asyncio.sleep(pause)
            await take_turn(peer)
            assert len(turns) == answered


@pytest.mark.parametrize("words", [[], "computer", ["", "!"]])
def test_stop_words_that_cannot_be_said(words: Any) -> None:
    """A list with a word in it."""
    with pytest.raises(ConfigurationError, match="stop_words"):
        ReplyOnStopWords(lambda audio: None, words, stt=Told())
