"""A `VoiceAgent` with a real recogniser and a real voice: the words are there in time."""

from __future__ import annotations

from statistics import median

import pytest

from benchmarks.answers import GRAMMAR, SENTENCES, WholeTurns, answers, row, sounded
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

THINKS = 0.4


@pytest.mark.soak
async def test_the_words_of_a_real_recogniser_are_there_at_once() -> None:
    """And an answer that was begun with them sooner than the model alone would need for it."""
    stt, tts = PocketSphinxSTT(GRAMMAR), EspeakTTS("en-us")
    said = SENTENCES[:3]
    found = await answers(stt, tts, thinks=THINKS, draft_after=0.2, sentences=said)
    (whole,) = await answers(WholeTurns(stt), tts, sentences=said[:1])
    assert [answer.record.user for answer in (*found, whole)] == [*said, said[0]]
    words = median(answer.record.stages.get("stt", 0.0) for answer in found)
    assert words < whole.record.stages["stt"]
    assert median(sounded(answer.record) for answer in found) < THINKS
    assert "| 3 of 3 |" in row("with a draft", found)
