"""Test signals, and meters that tell good audio from bad."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import delay_of, fit_sine, longest_silence, noise, speech_like, tone
from fastrtc_core.testing.signals import frames_of

RATE = 16000


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_is_what_was_asked_for(rate: int, channels: int) -> None:
    """Rate, length, level and channels are those of the arguments."""
    sound = tone(440, 0.5, rate, level=0.25, num_channels=channels)
    assert (sound.sample_rate, sound.data.shape) == (rate, (channels, rate // 2))
    assert sound.data.dtype == np.int16
    fit = fit_sine(sound.data[-1], 440, rate)
    assert fit.amplitude == pytest.approx(0.25 * 32768, rel=1e-3)
    assert fit.snr > 60


def test_noise_has_its_level_and_repeats_with_its_seed() -> None:
    """Root mean square as asked; the same seed is the same noise, another is another."""
    one, again, other = noise(1.0, RATE), noise(1.0, RATE), noise(1.0, RATE, seed=1)
    np.testing.assert_array_equal(one.data, again.data)
    assert np.any(one.data != other.data)
    assert np.sqrt(np.mean((one.data / 32768.0) ** 2)) == pytest.approx(0.1, rel=0.05)


def test_speech_has_syllables_and_full_scale() -> None:
    """It is loud and soft by turns, at half of full scale, and repeats with its seed."""
    sound = speech_like(2.0, RATE)
    assert sound.data.shape == (1, 2 * RATE)
    assert np.abs(sound.data).max() == pytest.approx(16384, abs=1)
    levels = [np.abs(frame.data).max() for frame in frames_of(sound, 100)]
    assert max(levels) > 3 * min(levels)
    np.testing.assert_array_equal(sound.data, speech_like(2.0, RATE).data)


def test_frames_join_to_the_whole() -> None:
    """Cut in 20 ms or any other length, nothing is lost; the last frame may be short."""
    sound = noise(0.5, RATE)
    for milliseconds in (10, 20, 30, 700):
        frames = list(frames_of(sound, milliseconds))
        assert all(f.samples_per_channel == RATE * milliseconds // 1000 for f in frames[:-1])
        joined = np.concatenate([frame.data for frame in frames], axis=1)
        np.testing.assert_array_equal(joined, sound.data)


# Meters


def test_a_fit_finds_level_and_noise() -> None:
    """Noise 40 dB below a sine is found as such, at any phase and offset."""
    time = np.arange(RATE) / RATE
    sine = 10_000 * np.sin(2 * np.pi * 1000 * time + 1.1)
    hiss = np.random.default_rng(1).normal(0, 10_000 / np.sqrt(2) / 100, RATE)
    fit = fit_sine(sine + hiss + 250, 1000, RATE)
    assert fit.amplitude == pytest.approx(10_000, rel=0.01)
    assert fit.snr == pytest.approx(40, abs=0.5)


@pytest.mark.parametrize("damage", ["gap", "repeat", "click", "other frequency"])
def test_damage_costs_much(damage: str) -> None:
    """A lost, a repeated or a wrong sample shows in the SNR of a second."""
    samples = tone(1000, 1.0, RATE).data[0].copy()
    assert fit_sine(samples, 1000, RATE).snr > 80
    if damage == "gap":
        samples = np.delete(samples, slice(8000, 8004))
    elif damage == "repeat":
        samples = np.insert(samples, 8000, samples[7996:8000])
    elif damage == "click":
        samples[8000:8004] = 32767
    else:
        samples = tone(1010, 1.0, RATE).data[0]
    assert fit_sine(samples, 1000, RATE).snr < 40


def test_silence_is_no_sine() -> None:
    """Nothing fits nothing: no error, and no SNR to be proud of."""
    fit = fit_sine(np.zeros(1000, np.int16), 1000, RATE)
    assert fit.amplitude == pytest.approx(0)
    assert fit.snr <= 0


def test_a_delay_is_found() -> None:
    """The place of a sound in another, to the sample, at any level and in noise."""
    sound = speech_like(1.0, RATE).data[0]
    heard = np.concatenate([np.zeros(1234), sound * -0.3, np.zeros(500)])
    delay, correlation = delay_of(heard, sound, RATE)
    assert delay == 1234 / RATE
    assert abs(correlation) == pytest.approx(1.0)
    noisy = heard + np.random.default_rng(2).normal(0, 500, len(heard))
    delay, correlation = delay_of(noisy, sound, RATE)
    assert delay == 1234 / RATE
    assert 0.5 < abs(correlation) < 1.0


def test_another_sound_does_not_correlate() -> None:
    """What is not there is not found, and silence is not an error."""
    heard = noise(1.0, RATE, seed=3).data
    assert abs(delay_of(heard, noise(0.5, RATE, seed=4).data, RATE)[1]) < 0.2
    assert delay_of(np.zeros(100), np.ones(50), RATE)[1] == 0.0


def test_the_longest_silence_is_measured() -> None:
    """The longest run of quiet samples counts, wherever it is."""
    samples = np.full(RATE, 1000)
    assert longest_silence(samples, RATE) == 0
    samples[100:110] = 0
    samples[-1600:] = 1
    assert longest_silence(samples, RATE) == 0.1
    assert longest_silence(samples, RATE, threshold=0.5) == 10 / RATE
    assert longest_silence(np.zeros(800), RATE) == 0.05
    assert longest_silence(np.zeros(0), RATE) == 0


def test_frames_are_measured_like_arrays() -> None:
    """The meters take one channel of any shape."""
    sound = AudioFrame(RATE, tone(1000, 0.5, RATE).data)
    assert fit_sine(sound.data, 1000, RATE) == fit_sine(sound.data[0], 1000, RATE)
