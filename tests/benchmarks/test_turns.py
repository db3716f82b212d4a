"""Turns on recorded speech: the judge is fair, and the decisions hold, alone and in a session."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.turns import report, rules
from benchmarks.turns.conditions import CONDITIONS, Material, Tape, tapes
from benchmarks.turns.interruptions import interruptions
from benchmarks.turns.judging import Answer, Figures
from benchmarks.turns.rules import RULES, chunked, judge, ours, plain, steady
from benchmarks.turns.sessions import through_session
from fastrtc_core import AudioFrame
from fastrtc_core.testing.conversations import (
    RATE,
    Conversation,
    Item,
    Recordings,
    Script,
    Segment,
    Utterance,
)
from fastrtc_handlers.vad.silero_model import WINDOW

SPEECH = Path("/usr/share/pocketsphinx/test/data")
"""Of Debian's package pocketsphinx-testdata."""

CONVERSATIONS = 2


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    if not SPEECH.exists():
        pytest.skip("pocketsphinx-testdata is not installed; scripts/test installs it")
    recordings = Recordings.read(SPEECH, lambda path: path.parent.name)
    return Material(recordings, (), (), tmp_path_factory.mktemp("tapes"))


def heard(material: Material, condition: str) -> list[Tape]:
    return tapes(material, condition, ["librivox"], CONVERSATIONS)


@pytest.mark.parametrize(
    ("condition", "split", "missed"),
    [
        ("clean", 1, 0),
        ("pink noise 10 dB", 2, 0),
        ("telephone", 2, 0),
        ("babble 10 dB", 4, 1),
        ("one talker 15 dB", 3, 2),
        ("coughs and clicks", 1, 0),
    ],
)
def test_turns_of_a_reader(material: Material, condition: str, split: int, missed: int) -> None:
    """Of 12 utterances, half with a hesitation: few are cut in two, fewer are never answered."""
    figures = judge(ours(), heard(material, condition))
    assert figures.utterances == 12
    assert figures.split <= split
    assert figures.missed <= missed
    assert figures.cut <= 1
    if condition in ("clean", "telephone", "coughs and clicks"):
        assert figures.percentile(50) <= 600
        assert figures.false == 0


def test_without_the_gates_a_crowd_is_never_done(material: Material) -> None:
    """What the level is for: the rule on the probabilities alone hears one turn without an end."""
    assert judge(plain(0.6), heard(material, "babble 10 dB")).missed >= 6


def test_the_default_is_not_behind_the_plain_curve(material: Material) -> None:
    """A steady silence that is as quick splits no fewer utterances than the default."""
    talks = heard(material, "clean")
    default = judge(ours(), talks)
    quick = [judge(steady(silence), talks) for silence in (0.4, 0.5, 0.55)]
    assert all(default.split <= one.split for one in quick)
    assert default.percentile(50) <= judge(plain(0.55), talks).percentile(50)


def test_a_bot_is_silent_soon(material: Material) -> None:
    found = interruptions(heard(material, "clean"))
    assert found["missed"] == 0
    assert found["p50"] <= 150
    assert found["p95"] <= 300


def test_a_session_decides_the_same(material: Material) -> None:
    """Within a frame or two, at the same samples."""
    tape = heard(material, "babble 10 dB")[0]
    alone, whole = ours()(tape), through_session(tape)
    assert len(alone) == len(whole) >= 5
    for one, other in zip(alone, whole, strict=True):
        assert abs(one.decided - other.decided) <= RATE // 25
        assert abs(one.start - other.start) <= RATE // 25


def test_the_rule_of_chunks_hears_where_in_a_chunk_speech_begins(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What begins in the last quarter second of a chunk is not heard in it.

    Turns begin with a chunk, and end with one without speech.
    """
    chunk = round(0.6 * RATE)

    def loud(samples: np.ndarray) -> Any:
        return samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW).max(axis=1) > 0

    monkeypatch.setattr(rules, "score", loud)
    for begins, ends, expected in (
        (0.7, 1.1, [(0.6, 1.8)]),
        (0.9, 2.9, [(0.6, 3.6)]),  # the last 0.5 s are enough for a chunk of their own
        (1.0, 2.9, [(1.2, 3.6)]),
        (1.0, 1.15, []),
    ):
        samples = np.zeros((1, 8 * chunk), np.int16)
        samples[:, round(begins * RATE) : round(ends * RATE)] = 1000
        talk = replace(conversation(), audio=AudioFrame(RATE, samples))
        answers = chunked()(Tape(talk, np.zeros(0)))
        assert [(round(one.start / RATE, 3), one.decided / RATE) for one in answers] == expected


def conversation(*segments: Segment) -> Conversation:
    audio = AudioFrame(RATE, np.zeros((1, 10 * RATE), np.int16))
    script = Script(0, "a", "b", (Item(1.0, Utterance((0,))),))
    return Conversation(script, audio, audio, segments)


def test_the_judge() -> None:
    """Each utterance is answered once after its end, before the next; the rest is false."""
    talk = conversation(
        Segment("utterance", RATE, 2 * RATE),
        Segment("utterance", 4 * RATE, 5 * RATE),
        Segment("cough", 6 * RATE, 6 * RATE + 800),
        Segment("backchannel", 8 * RATE, 8 * RATE + 4000),
    )
    for answers, expected in (
        ([(0.9, 2.5), (3.9, 5.5)], (0, 0, 0, 0)),
        ([(0.9, 1.5), (1.6, 2.5), (3.9, 5.5)], (1, 0, 0, 0)),
        ([(0.9, 1.5), (3.9, 5.5)], (1, 0, 0, 0)),
        ([(0.9, 5.5)], (0, 1, 0, 0)),
        ([(1.1, 2.5), (3.9, 5.5)], (0, 0, 0, 1)),
        ([(0.9, 2.5), (3.9, 5.5), (5.9, 6.5), (7.9, 8.7)], (0, 0, 1, 0)),
    ):
        figures = Figures()
        made = [Answer(round(start * RATE), round(end * RATE)) for start, end in answers]
        figures.add(talk, made)
        found = (figures.split, figures.missed, figures.false, figures.cut)
        assert found == expected, answers
    figures = Figures()
    figures.add(talk, [Answer(RATE, round(2.5 * RATE)), Answer(4 * RATE, round(5.7 * RATE))])
    assert figures.summary()["p50"] == 600


def test_the_documents_are_of_this_run() -> None:
    """The page and the plot are what the results make of them."""
    results = json.loads(report.RESULTS.read_text())
    assert set(results["conditions"]) <= set(CONDITIONS)
    assert all(set(RULES) <= set(row) for row in results["conditions"].values())
    assert report.written(results) in report.PAGE.read_text()
    assert report.plot(results["curves"]) == report.PLOT.read_text()
