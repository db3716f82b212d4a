"""What turn-taking lets those see who watch it, by itself and through a session."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import InProcessPeer, connect
from fastrtc_handlers import Ear, ReplyOnPause, TurnOptions
from fastrtc_handlers.ear import EarVAD
from fastrtc_handlers.turns import (
    JudgingTurnDetector,
    ModelTurnDetector,
    Observation,
    SilenceTurnDetector,
    TurnEnd,
)
from fastrtc_handlers.vad import (
    AttentiveVAD,
    DiscerningVAD,
    EnergyVAD,
    Loudness,
    MeasuringVAD,
    SileroVAD,
)
from fastrtc_handlers.vad.foreground import Foreground

from ..conversations import RATE, Conversation, Voices, conversation
from ..vad.test_foreground import windows
from .test_taking import Doubtful, LoudIsSpeech, Table

SPEECH = AudioFrame(RATE, np.full((1, RATE), 100, np.int16))
SILENCE = AudioFrame(RATE, np.zeros((1, RATE), np.int16))


class Measuring(Doubtful):
    loudness = Loudness(-60.0, -65.0, -23.0, ("other voice",))


# By itself


def test_an_end_by_silence_says_what_was_waited_for() -> None:
    """The detector's patience, what the gates add and the doubt are all of it."""
    vad = Measuring()
    assert isinstance(vad, MeasuringVAD)
    vad.extra_silence = 0.4
    table = Table(vad=vad, detector=ModelTurnDetector(lambda turn: 0.9, silence=0.25))
    assert table.turns.observe().ended is None
    table.speech(1)
    vad.traces = True
    table.silence(0.3)
    vad.traces = False
    before = table.turns.observe()
    table.silence(1)
    end = table.turns.latest_end
    assert end is not None
    assert (end.reason, end.speech, end.complete) == ("silence", 1.0, 0.9)
    assert (end.patience, end.extra) == (0.25, 0.4)
    assert end.doubt == pytest.approx(0.2)
    assert end.silence == pytest.approx(0.86, abs=0.021)
    assert end.loudness == vad.loudness
    assert (before.pause, before.in_turn, before.turns) == (0.3, True, 0)
    assert before.wanted == pytest.approx(0.85)
    assert table.turns.observe().turns == 1


def test_an_end_by_length_and_one_by_command() -> None:
    table = Table(TurnOptions(silence=0.5, max_turn=1.0)).speech(1.5)
    end = table.turns.latest_end
    assert end is not None
    assert (end.reason, end.speech, end.silence, end.patience) == ("length", 1.0, 0, 0)

    table = Table().speech(1).silence(0.2)
    table.turns.finish()
    end = table.turns.latest_end
    assert end is not None
    assert (end.reason, end.speech) == ("command", 1.0)
    assert end.silence == pytest.approx(0.2)
    assert end.complete is None, "silence does not judge"

    table.turns.hold()
    table.silence(1)
    table.turns.finish()
    end = table.turns.latest_end
    assert end is not None
    assert (end.reason, end.silence, table.turns.ended) == ("command", 0, 2)


def test_to_observe_changes_nothing() -> None:
    """The same turns, whether somebody looks after each frame or not."""

    class Watched(Table):
        def frame(self, value: int) -> None:
            super().frame(value)
            json.dumps(self.turns.observe().as_message(), allow_nan=False)

    done = []
    for kind in (Table, Watched):
        vad = Measuring()
        table = kind(vad=vad).speech(1).silence(0.4).speech(0.3)
        vad.traces = True
        table.silence(0.2)
        vad.traces = False
        done.append(table.silence(2).done)
    assert done[0] == done[1] != []


def test_gates_have_names() -> None:
    foreground = Foreground(0.032)
    assert foreground.loudness == Loudness()
    for level, probability in windows(0.5, -60, 0.0) + windows(1, -20):
        foreground.push(level, probability)
    loudness = foreground.loudness
    assert loudness.level == -20
    assert loudness.floor == -60
    assert loudness.voice == pytest.approx(-20)
    assert loudness.gates == ()
    for level, probability in windows(5, -40):
        foreground.push(level, probability)
    assert foreground.loudness.gates == ("crowd", "other voice")
    assert foreground.extra_silence > 0


def test_an_ear_hides_nothing_of_its_detector() -> None:
    """Pauses are as long with it as without; what is ignored leaves no doubt behind."""
    doubtful = EarVAD(Measuring(), Ear())
    assert isinstance(doubtful, AttentiveVAD)
    assert isinstance(doubtful.vad, Measuring)
    doubtful.vad.extra_silence, doubtful.vad.traces = 0.3, True
    assert (doubtful.extra_silence, doubtful.traces) == (0.3, True)
    assert doubtful.loudness == Measuring.loudness
    silero = EarVAD(SileroVAD(), Ear())
    assert isinstance(silero, DiscerningVAD)
    assert not silero.sure
    plain = EarVAD(LoudIsSpeech(), Ear())
    assert not plain.sure
    plain.vad.speaking = True  # type: ignore[misc]
    assert plain.sure, "it does not say more"
    assert (plain.extra_silence, plain.traces, plain.loudness) == (0.0, False, Loudness())

    vad = SileroVAD()
    hiss = np.random.default_rng(1).standard_normal((1, 4 * RATE)) * 30
    hiss[:, -RATE:] *= 100
    vad.push(AudioFrame(RATE, hiss.astype(np.int16)))
    assert vad.traces, "it is loud"
    vad.ignoring = True
    assert not vad.traces
    assert vad.loudness.level is None
    assert "own voice" in vad.loudness.gates
    assert EnergyVAD().loudness == Loudness()


def test_a_model_that_failed_says_nothing() -> None:
    answers: list[Any] = [0.7, ValueError("no")]

    def model(turn: AudioFrame) -> float:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return float(answer)

    detector = ModelTurnDetector(model)
    assert isinstance(detector, JudgingTurnDetector)
    assert not isinstance(SilenceTurnDetector(), JudgingTurnDetector)
    detector.patience(SPEECH)
    assert (detector.complete, detector.copy().complete) == (0.7, None)
    with pytest.raises(ValueError, match="no"):
        detector.patience(SPEECH)
    assert detector.complete is None


# Through a session


def observed(peer: InProcessPeer) -> list[dict[str, Any]]:
    return [data for data in peer.of_type("message") if data.get("event") == "observed"]


@pytest.mark.virtual_clock
async def test_a_client_is_told_when_it_asks() -> None:
    """Ten times a second of audio and at the end of a turn; not before, and not afterwards."""
    handler = ReplyOnPause(
        lambda audio: None,
        input_sample_rate=RATE,
        model=LoudIsSpeech(),
        turn_detector=ModelTurnDetector(lambda turn: 0.95, silence=0.31),
    )
    async with connect(handler) as peer:
        await peer.speak(SPEECH)
        await peer.speak(SILENCE)
        assert observed(peer) == []
        peer.send({"command": "observe", "on": True})
        await peer.speak(SPEECH)
        await peer.speak(SILENCE)
        told = observed(peer)
        peer.send({"command": "observe", "on": False})
        await peer.speak(SPEECH)
        await peer.speak(SILENCE)
        assert len(observed(peer)) <= len(told) + 1
        assert not peer.of_type("error")
    assert 19 <= len(told) <= 22
    ends = [data["at"] for data in told if data["turns"] == 2]
    assert ends[0] == pytest.approx(3.32, abs=0.021), "as soon as the turn has ended"
    assert told[0]["ended"]["complete"] == 0.95, "of the turn before"
    assert told[0]["turns"] == 1
    assert [data["speaking"] for data in told].count(True) in range(9, 12)
    assert told[-1]["ended"]["reason"] == "silence"
    assert told[-1]["ended"]["patience"] == 0.31


@pytest.mark.virtual_clock
async def test_a_session_shows_how_loud_a_conversation_is(voices: Voices) -> None:
    """Speaker and floor are as far apart as they were put, and each turn says why it ended."""
    talk = conversation(5, voices, noise="pink", snr=20, turns=3)
    ends: list[TurnEnd | None] = []

    class Watching(ReplyOnPause):
        def __init__(self) -> None:
            super().__init__(self.reply, input_sample_rate=RATE)

        def reply(self, audio: AudioFrame) -> None:
            ends.append(self.observe().ended)

    async with connect(Watching()) as peer:
        peer.send({"command": "observe", "on": True})
        await peer.speak(talk.audio)
        told = observed(peer)
        last = peer.session.handler.observe()  # type: ignore[attr-defined]
    assert isinstance(last, Observation)
    assert len(ends) == last.turns == told[-1]["turns"] == len(talk.of("utterance", "backchannel"))
    for end in ends:
        assert end is not None
        assert end.reason == "silence"
        assert end.silence >= end.patience + end.extra + end.doubt - 1e-9
        assert end.silence <= end.patience + end.extra + end.doubt + 0.07
    spoken = [data for data in told if _in_speech(talk, data["at"])]
    levels = [data["voice"] - data["floor"] for data in spoken if data["voice"] is not None]
    assert 12 < np.median(levels) < 30


def _in_speech(talk: Conversation, at: float) -> bool:
    said = talk.of("utterance")
    return any(part.start + RATE < at * RATE < part.end for part in said)
