"""Turn detectors that know more than silence: models over the sound, and words."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import connect, noise, tone
from fastrtc_handlers import ReplyOnPause, TurnOptions
from fastrtc_handlers.stt import STTStream, Transcript
from fastrtc_handlers.turns import (
    ListeningTurnDetector,
    ModelTurnDetector,
    SmartTurn,
    SmartTurnDetector,
    TextTurnDetector,
    TurnDetector,
)
from fastrtc_handlers.turns.english import completeness
from fastrtc_handlers.turns.log_mel import log_mel

from .onnx_files import mean_of
from .test_taking import LoudIsSpeech, Table

RATE = 16000


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model of the shape of smart-turn: the louder the latest 8 s, the more complete."""
    path = tmp_path / "smart-turn-v3.9-test.onnx"
    path.write_bytes(mean_of(["batch", 80, 800]))
    return path


# The spectrum


def test_the_spectrum_is_that_of_whisper() -> None:
    """The values are those of the feature extractor that smart-turn comes with."""
    time = np.arange(8 * RATE) / RATE
    sound = 0.3 * np.sin(2 * np.pi * (200 + 400 * time) * time)
    sound += 0.02 * np.sin(2 * np.pi * 7000 * time) + 0.05 * np.sin(2 * np.pi * 90 * time) * time
    found = log_mel(sound.astype(np.float32))
    assert found.shape == (80, 800)
    assert found.dtype == np.float32
    for place, value in {
        (0, 0): 1.3454,
        (2, 799): 1.6182,
        (20, 310): -0.3308,
        (79, 799): 0.3969,
        (76, 400): 0.7959,
    }.items():
        assert found[place] == pytest.approx(value, abs=1e-3)


def test_the_spectrum_does_not_depend_on_the_level() -> None:
    sound = noise(8, RATE, seed=3).data[0].astype(np.float32)
    assert log_mel(sound) == pytest.approx(log_mel(sound / 100), abs=1e-3)
    assert np.isfinite(log_mel(np.zeros(8 * RATE, np.float32))).all(), "nothing, the same"


# smart-turn


def test_a_model_hears_the_latest_eight_seconds(model_file: Path) -> None:
    """At its rate, mono, with zeros before what is shorter."""
    model = SmartTurn(model_file)
    long = noise(11, RATE, seed=1).data
    padded = np.concatenate([np.zeros(5 * RATE, np.float32), long[0, -3 * RATE :] / 32768])
    for audio, expected in (
        (long, long[0, -8 * RATE :] / 32768),
        (long[:, -3 * RATE :], padded),
        (np.repeat(long[:, -3 * RATE :], 2, axis=0), padded),
    ):
        wanted = 1 / (1 + np.exp(-log_mel(expected.astype(np.float32)).mean()))
        assert model(AudioFrame(RATE, audio)) == pytest.approx(wanted, abs=1e-4)
    one, other = (model(tone(700, 3, rate)) for rate in (RATE, 48000))
    assert one == pytest.approx(other, abs=0.02)


def test_the_model_in_the_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_file: Path
) -> None:
    """It is found by the metadata of `pipecat-ai`, and nothing of that is imported."""
    folder = tmp_path / "pipecat" / "audio"
    folder.mkdir(parents=True)
    (tmp_path / "pipecat" / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "smart-turn-v3.2-cpu.onnx").write_bytes(model_file.read_bytes())
    metadata = tmp_path / "pipecat_ai-9.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pipecat-ai\nVersion: 9.0\n")
    (metadata / "RECORD").write_text("pipecat/audio/smart-turn-v3.2-cpu.onnx,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    detector = SmartTurnDetector()
    assert isinstance(detector, TurnDetector)
    assert isinstance(detector.copy(), SmartTurnDetector)
    assert detector.copy().model is detector.model, "sessions share it"
    (metadata / "RECORD").write_text("pipecat/__init__.py,,\n")
    with pytest.raises(ConfigurationError, match=r"pipecat-ai 9\.0 carries no smart-turn"):
        SmartTurnDetector()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The runtime, the model, the right model."""

    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(ConfigurationError, match=r"pip install --no-deps pipecat-ai"):
        SmartTurn()
    with pytest.raises(ConfigurationError, match=r"none\.onnx cannot be read"):
        SmartTurn(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("version https://git-lfs")
    with pytest.raises(ConfigurationError, match=r"text\.onnx cannot be read"):
        SmartTurn(tmp_path / "text.onnx")
    (tmp_path / "other.onnx").write_bytes(mean_of(["batch", 64, 3000]))
    with pytest.raises(ConfigurationError, match="not a smart-turn model of version 3"):
        SmartTurn(tmp_path / "other.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[smart-turn\]"):
        SmartTurn(tmp_path / "other.onnx")


@pytest.mark.parametrize(("seconds", "waited"), [(8, 0.3), (1, 1.2)])
async def test_smart_turn_in_a_session(model_file: Path, seconds: float, waited: float) -> None:
    """Sure of an end, the reply comes at once; unsure, it waits."""
    replied: list[float] = []
    loud = noise(seconds, RATE, seed=2)
    data = np.where(loud.data == 0, 1, loud.data)  # what `LoudIsSpeech` takes for speech

    def reply(audio: AudioFrame) -> None:
        replied.append(audio.duration)

    detector = SmartTurnDetector(model_file, threshold=0.5, silence=0.3, longest=1.2)
    assert detector.model(loud) == pytest.approx(0.7, abs=0.2) or seconds < 8
    handler = ReplyOnPause(
        reply,
        input_sample_rate=RATE,
        model=LoudIsSpeech(),
        algo_options=TurnOptions(pre_roll=0.0),
        turn_detector=detector,
    )
    async with connect(handler) as peer:
        await peer.speak(AudioFrame(RATE, data))
        await peer.speak(AudioFrame(RATE, np.zeros((1, 2 * RATE), np.int16)))
    assert replied == [pytest.approx(seconds + waited, abs=0.03)]


def test_a_model_that_fails_ends_the_turn_all_the_same() -> None:
    """After the silence of the options; each failure is reported."""

    def broken(audio: AudioFrame) -> float:
        raise ValueError("no such operator")

    table = Table(detector=ModelTurnDetector(broken)).speech(0.5)
    with pytest.raises(ValueError, match="no such operator"):
        table.silence(0.02)
    table.silence(1)
    assert table.done == [(1.0, "reply")]


def test_a_model_hears_the_turn_to_the_end_of_speech() -> None:
    """And a tenth of a second more, however late the pause was noticed."""
    heard: list[AudioFrame] = []

    def model(audio: AudioFrame) -> float:
        heard.append(audio)
        return 1.0

    table = Table(TurnOptions(silence=0.5, pre_roll=0.0), ModelTurnDetector(model))
    table.turns.vad.end_delay = 0.3  # type: ignore[misc]
    table.speech(1).silence(1)
    assert [audio.duration for audio in heard] == [pytest.approx(0.8)]


# Words


class Script:
    """A recogniser that says what it was told to, each at its time in s."""

    def __init__(self, *lines: tuple[float, str, bool, float]) -> None:
        self.lines = lines
        self.streams = 0

    def stream(self) -> STTStream:
        self.streams += 1
        return _Reader(self.lines)


class _Reader:
    def __init__(self, lines: Iterable[tuple[float, str, bool, float]]) -> None:
        self._lines = list(lines)
        self._now = 0.0

    def push(self, frame: AudioFrame) -> list[Transcript]:
        self._now += frame.duration
        due = [line for line in self._lines if line[0] <= self._now + 1e-9]
        self._lines = self._lines[len(due) :]
        return [Transcript(text, final, 0.0, end) for _, text, final, end in due]

    def flush(self) -> list[Transcript]:
        return []


def texts(*lines: tuple[float, str, bool, float], **options: Any) -> TextTurnDetector:
    """Waits 0.2, 0.5 or 1.5 s."""
    options = {"silence": 0.2, "unsure": 0.5, "longest": 1.5, **options}
    return TextTurnDetector(Script(*lines), **options)


@pytest.mark.parametrize(
    ("text", "waited"), [("Call my mother.", 0.2), ("call my mother", 0.5), ("call my", 1.5)]
)
def test_words_decide_how_long_to_wait(text: str, waited: float) -> None:
    """A partial transcript is enough."""
    detector = texts((0.9, text, False, 0.9))
    assert isinstance(detector, ListeningTurnDetector)
    table = Table(detector=detector.copy()).speech(1).silence(2)
    assert table.done == [(1 + waited, "reply")]


def test_words_that_come_late_revise_a_pause() -> None:
    """They make it shorter or longer; until they are there, it is not known."""
    late = (1.3, "Call my mother.", True, 1.0)
    table = Table(detector=texts((0.4, "Call", False, 0.4), late)).speech(1).silence(2)
    assert table.done == [(1.3, "reply")], "shorter: at once, they took longer than the wait"
    late = (1.3, "Call my", True, 1.0)
    table = Table(detector=texts((0.4, "Call.", False, 0.4), late)).speech(1).silence(2)
    assert table.done == [(2.5, "reply")], "longer: the last word was not known before"
    late = (1.8, "Call my mother", True, 1.0)
    table = Table(detector=texts((0.4, "Call.", False, 0.4), late)).speech(1).silence(2)
    assert table.done == [(1.5, "reply")], "too late: it has waited as long as for no words"


def test_only_the_words_of_the_turn_count() -> None:
    """What was said in turns before is not read; what is said after a pause is."""
    detector = texts(
        (1.0, "Good morning.", True, 1.0), (3.9, "I want to", True, 3.9), (5.0, "stop", False, 4.9)
    )
    table = Table(detector=detector).speech(1).silence(2)
    assert table.done == [(1.2, "reply")]
    table.speech(1).silence(0.5)
    assert detector.text == "I want to"
    table.speech(0.5)
    assert detector.text == "I want to stop"
    table.silence(1)
    assert table.done == [(1.2, "reply"), (5.5, "reply")]


def test_words_are_judged_once() -> None:
    """Each text, however long the pause is."""
    seen: list[str] = []

    def judge(text: str) -> float:
        seen.append(text)
        return 0.0

    table = Table(detector=texts((0.5, "call", False, 1.0), completeness=judge))
    table.speech(1).silence(2)
    assert table.done == [(2.5, "reply")]
    assert seen == ["call"]


@pytest.mark.parametrize("fails", ["the recogniser", "the rules"])
def test_words_that_fail_are_done_without(fails: str) -> None:
    """It is reported once, and silence ends this turn and the next ones."""

    def judge(text: str) -> float:
        raise ValueError("no such language")

    class Down(Script):
        def stream(self) -> STTStream:
            raise ValueError("503")

    stt = Down() if fails == "the recogniser" else Script((0.5, "call", False, 1.0))
    table = Table(detector=TextTurnDetector(stt, judge))
    errors = 0
    for loud in [True] * 50 + [False] * 50 + [True] * 50 + [False] * 50:
        try:
            table.frame(loud)
        except ValueError:
            errors += 1
    assert errors == 1
    assert table.kinds == ["reply", "reply"]
    # The frame with which it failed is lost to the detector of speech.
    assert [when for when, _ in table.done] == pytest.approx([1.5, 3.5], abs=0.021)


def test_a_muted_speaker_is_not_recognised() -> None:
    """Whatever listens hears what the handler hears."""
    detector = texts()
    table = Table(detector=detector)
    table.turns.listening = False
    table.speech(1)
    assert detector._heard == 0
    table.turns.hold()
    table.speech(1)
    assert detector._heard == pytest.approx(1.0), "a key is pressed to talk"


def test_each_speaker_has_a_stream() -> None:
    """It is opened with the first frame."""
    stt = Script()
    prototype = TextTurnDetector(stt)
    one, other = prototype.copy(), prototype.copy()
    assert stt.streams == 0
    for detector in (one, other):
        Table(detector=detector).speech(0.1)
    assert stt.streams == 2


def test_a_recogniser_must_stream() -> None:
    """The error says so; thresholds have a range."""

    class Whole:
        def stt(self, audio: Any) -> str:
            raise NotImplementedError

    with pytest.raises(ConfigurationError, match=r"Whole has none, it knows whole utterances only"):
        TextTurnDetector(Whole())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"threshold must be 0\.5 to 1"):
        TextTurnDetector(Script(), threshold=0.3)


async def test_words_in_a_session() -> None:
    """The detector hears what the session hears, through its resampling and its threads."""
    replied: list[float] = []

    def reply(audio: AudioFrame) -> None:
        replied.append(audio.duration)

    detector = texts((0.9, "so I said to", False, 0.9), (2.7, "so I said to stop.", True, 2.7))
    handler = ReplyOnPause(
        reply,
        input_sample_rate=RATE,
        model=LoudIsSpeech(),
        algo_options=TurnOptions(pre_roll=0.0),
        turn_detector=detector,
    )
    speech = AudioFrame(RATE, np.full((1, RATE), 100, np.int16))
    silence = AudioFrame(RATE, np.zeros((1, RATE), np.int16))
    async with connect(handler) as peer:
        await peer.speak(speech)
        await peer.speak(AudioFrame(RATE, silence.data[:, : RATE * 4 // 5]))
        await peer.speak(speech)
        await peer.speak(silence)
    assert replied == [pytest.approx(2.8 + 0.2, abs=0.03)]


@pytest.mark.parametrize(
    "text",
    [
        "I would like to book a table.",
        "What is it for?",
        "Who are you talking to",
        "Stop!",
        'She said "no."',
        "I saw her.",
        "So do we?",
    ],
)
def test_sentences_that_may_be_complete(text: str) -> None:
    assert completeness(text) >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "I would like to book a",
        "I would like to book a.",
        "Send it to my,",
        "Because",
        "I think, um",
        "I went to...",
        "We could go to the cinema or",
        "The number is: ",
        "I don’t know if",
        "so then I",
    ],
)
def test_sentences_that_go_on(text: str) -> None:
    """Whatever the recogniser puts behind them."""
    assert completeness(text) <= 0.2


def test_punctuation_says_where_words_do_not() -> None:
    """Nothing is known of nothing."""
    assert completeness("call my mother") == completeness("") == completeness(" ?") == 0.5
    assert completeness("call my mother.") >= 0.8
    assert completeness("call my mother?") > completeness("call my mother.")
