"""Speech by energy alone."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import noise, speech_like, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.vad import EnergyVAD, VADEvent


def events(vad: EnergyVAD, *parts: AudioFrame) -> list[VADEvent]:
    """What is decided when parts follow each other, and a quiet noise sounds all the time."""
    data = np.concatenate([part.data for part in parts], axis=1)
    hiss = noise(data.shape[1] / 16000, 16000, 0.001).data
    mixed = np.clip(data.astype(np.int32) + hiss, -32768, 32767).astype(np.int16)
    return [event for frame in frames_of(AudioFrame(16000, mixed)) for event in vad.push(frame)]


def silence(seconds: float) -> AudioFrame:
    return AudioFrame(16000, np.zeros((1, round(seconds * 16000)), np.int16))


def test_a_voice_over_noise_is_speech() -> None:
    start, *_, end = events(EnergyVAD(), silence(1), speech_like(2, 16000), silence(1))
    assert start.kind == "speech_start"
    assert abs(start.position - 16000) <= 1024
    assert end.kind == "speech_end"
    assert abs(end.position - 48000) <= 4800


@pytest.mark.parametrize(
    "sound",
    [noise(10, 16000, 0.1), tone(50, 10, 16000, 0.3), tone(1000, 10, 16000, 0.3)],
    ids=["noise", "hum", "tone"],
)
def test_steady_sounds_are_no_speech(sound: AudioFrame) -> None:
    assert events(EnergyVAD(), sound) == []


def test_a_noise_that_begins_is_speech_until_it_is_known() -> None:
    """A fan that is switched on is taken for noise within three seconds."""
    vad = EnergyVAD()
    found = events(vad, silence(2), noise(6, 16000, 0.05, seed=3))
    assert [event.kind for event in found] == ["speech_start", "speech_end"]
    assert found[1].decided < 5 * 16000
    assert not vad.speaking


def test_a_click_is_no_speech() -> None:
    click = AudioFrame(16000, np.full((1, 80), 12000, np.int16))
    assert events(EnergyVAD(), silence(1), click, silence(1)) == []


@pytest.mark.parametrize("frequency", [200, 440, 1000, 3000])
def test_a_beep_is_no_speech(frequency: float) -> None:
    """However loud it is: it is not in enough bands."""
    assert events(EnergyVAD(), silence(1), tone(frequency, 0.5, 16000, 0.3), silence(1)) == []


def test_a_short_gap_is_no_end() -> None:
    """Closures of 150 ms between syllables, 60 dB below them, are within one utterance."""
    word = speech_like(0.4, 16000, seed=2)
    found = events(EnergyVAD(), silence(1), *[word, silence(0.15)] * 5, silence(1))
    assert [event.kind for event in found] == ["speech_start", "speech_end"]


def test_digital_silence_is_no_measure_of_noise() -> None:
    """Noise after a line that was off is not taken for speech of 90 dB over nothing."""
    vad = EnergyVAD()
    vad.push(silence(5))
    assert vad.probability == 0
    assert events(vad, noise(3, 16000, 0.05)) == []
