"""Turns by the words of a real recogniser, which come while somebody speaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.dictation import RATE, Dictation, Heard, by_language_model
from benchmarks.ends import Place, answered
from fastrtc_core import AudioFrame
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.stt import StreamingSTTModel
from fastrtc_handlers.turns import TextTurnDetector

DATA = Path("/usr/share/pocketsphinx/test/data")
"""Of Debian's package pocketsphinx-testdata: "go forward ten meters", and a model of such words."""


@pytest.fixture(scope="module")
def speech() -> AudioFrame:
    if not DATA.exists():
        pytest.skip("pocketsphinx-testdata is not installed; scripts/test installs it")
    return AudioFrame(RATE, np.fromfile(DATA / "goforward.raw", "<i2")[np.newaxis])


@pytest.fixture(scope="module")
def stt() -> Dictation:
    return Dictation(lm=str(DATA / "turtle.lm.bin"), dict=str(DATA / "turtle.dic"))


def test_words_come_while_somebody_speaks(speech: AudioFrame, stt: Dictation) -> None:
    """Each transcript ends no later than what was heard, and the last one when it is flushed."""
    assert isinstance(stt, StreamingSTTModel)
    stream, heard, found = stt.stream(), 0.0, []
    for frame in frames_of(speech, 20):
        heard += frame.duration
        for transcript in stream.push(frame):
            assert not transcript.final
            assert 0 <= transcript.start < transcript.end <= heard
            found.append(transcript.text)
    assert "go forward" in found[:-1], "before the rest was said"
    assert found[-1] == "go forward ten meters"
    (last,) = stream.flush()
    assert (last.text, last.final) == ("go forward ten meters", True)


@pytest.mark.parametrize(
    ("said", "stops", "least", "most"),
    [("go forward ten meters", 2.2, 0.1, 0.4), ("go forward", 1.15, 1.3, 1.7)],
)
def test_words_end_a_turn(
    speech: AudioFrame, stt: Dictation, said: str, stops: float, least: float, most: float
) -> None:
    """Soon after a command that is complete; long after half of one, though both are silent."""
    end = round(stops * RATE)
    tape = np.concatenate((speech.data[:, :end], np.zeros((1, 2 * RATE), np.int16)), axis=1)
    place = Place("end", "", AudioFrame(RATE, tape), end, tape.shape[1])
    read: list[str] = []

    def completeness(text: str) -> float:
        read.append(text)
        return 0.9 if text.endswith("meters") else 0.1

    heard = Heard(list(frames_of(place.tape, 20)), stt)
    delay = answered(place, TextTurnDetector(heard, completeness))
    assert read[-1] == said
    assert delay is not None
    assert least <= delay <= most


@pytest.mark.soak
def test_a_language_model_knows_how_sentences_end() -> None:
    """Not with an article; with a noun, as often as not."""
    completeness = by_language_model()
    assert completeness("") == 0.5
    for text in ("i want to", "the end of the", "because"):
        assert completeness(text) < 0.25, text
    for text in ("then they go home", "this is the house", "thank you"):
        assert completeness(text) > 0.6, text
