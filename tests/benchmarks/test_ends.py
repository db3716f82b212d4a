"""The benchmark of sentence ends: places in recordings, and how they are judged."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ends import RATE, Place, Remembered, answered, auc, places
from fastrtc_core import AudioFrame
from fastrtc_core.testing import noise
from fastrtc_handlers.turns import ModelTurnDetector, SilenceTurnDetector

from ..handlers.conversations import Speaker, Voices


def test_the_area_under_the_curve() -> None:
    """1 where all ends are above all others, 0.5 where nothing is known."""
    assert auc([0.9, 0.8], [0.7, 0.1]) == 1.0
    assert auc([0.5, 0.5], [0.5]) == 0.5
    assert auc([0.9, 0.3], [0.5]) == 0.5
    assert auc([0.1], [0.2]) == 0.0


def test_places_are_where_the_sound_stops(tmp_path: Path) -> None:
    """A recording of 2 s, a pause of 0.5 s and 1 s more: one pause, one end, one middle."""
    loud, hush = noise(3, RATE, seed=1).data[0], np.zeros(RATE // 2, np.int16)
    with wave.open(str(tmp_path / "7-1.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        parts = (hush, loud[: 2 * RATE], hush, loud[2 * RATE :], hush)
        file.writeframes(np.concatenate(parts).astype("<i2").tobytes())
    random = np.random.default_rng(0)
    found = {place.kind: place for place in places(tmp_path, lambda path: "7", random, 0)}
    assert found.keys() == {"end", "pause", "middle"}
    # Half a second before, and 0.2 s of the silence in which the recording begins.
    for kind, spoken, pause in (("end", 3.5, 2.0), ("pause", 2.0, 0.75), ("middle", 1.0, 0.75)):
        place = found[kind]  # type: ignore[index]
        assert place.start / RATE == pytest.approx(
            0.7 + spoken, abs=0.5 if kind == "middle" else 0.03
        )
        assert (place.end - place.start) / RATE == pytest.approx(pause, abs=0.25)
        silent = place.tape.data[0, place.start : place.end]
        assert np.abs(silent.astype(int)).max() < 500


def test_a_place_is_split_where_the_silence_is_shorter(tmp_path: Path) -> None:
    """A model is asked once about each place, and pauses before it end nothing."""
    try:
        voices = Voices(tmp_path)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    said = voices.say("Please, send the report to Margaret", Speaker())
    samples = (32768 * said).astype(np.int16)
    hush = np.zeros(RATE // 2, np.int16)
    tape = AudioFrame(RATE, np.concatenate([hush, samples, hush, hush[:4800], samples])[None])
    start = len(hush) + len(samples)
    place = Place("pause", "espeak", tape, start, start + 12800)
    split = answered(place, SilenceTurnDetector(0.5, adaptive=False))
    assert split == pytest.approx(0.5, abs=0.1)
    assert answered(place, SilenceTurnDetector(0.95, adaptive=False)) is None
    asked: list[float] = []

    def model(turn: AudioFrame) -> float:
        asked.append(turn.duration)
        return 0.7

    remembered = Remembered(model)
    sure = ModelTurnDetector(remembered, threshold=0.6, silence=0.25)
    assert answered(place, sure) == pytest.approx(0.25, abs=0.1)
    unsure = ModelTurnDetector(remembered, threshold=0.8)
    assert answered(place, unsure) is None
    assert len(asked) == len(remembered.took) == 1
