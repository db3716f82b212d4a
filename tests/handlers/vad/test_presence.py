"""Whether the speaker sounds right now."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.vad import EnergyVAD, SileroVAD, TimingVAD, VADOptions
from fastrtc_handlers.vad.bands import Bands, Noise
from fastrtc_handlers.vad.foreground import Foreground
from fastrtc_handlers.vad.levels import level_of
from fastrtc_handlers.vad.presence import Presence

from ..conversations import Speaker, Voices

RATE = 16000
WINDOW = 512

Samples = NDArray[np.int16]

stretches = st.lists(
    st.tuples(
        st.sampled_from([0, 60, 600, 1800]), st.sampled_from([0.0, 0.4, 0.95]), st.integers(1, 30)
    ),
    max_size=8,
)
"""How loud some windows are, and how likely the model takes them for speech; then others."""
odds = st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 20)), max_size=40)


def unrolled(parts: list[tuple[int, float, int]]) -> list[tuple[Samples, float]]:
    random = np.random.default_rng(1)
    return [
        (np.rint(loudness * random.standard_normal(WINDOW)).astype(np.int16), probability)
        for loudness, probability, count in parts
        for _ in range(count)
    ]


class Listener:
    """A foreground and a presence, as a detector has them."""

    def __init__(self) -> None:
        self.foreground, self.presence = Foreground(WINDOW / RATE), Presence()

    def hear(self, stream: list[tuple[Samples, float]]) -> list[tuple[float, float, bool]]:
        found = []
        for window, probability in stream:
            self.foreground.push(level_of(window), probability)
            self.presence.push(window, probability, self.foreground)
            found.append((self.presence.head, self.presence.tail, self.presence.stirs))
        return found


@given(stretches, st.sampled_from([2, 3]))
def test_a_gain_changes_next_to_nothing(parts: list[tuple[int, float, int]], gain: int) -> None:
    stream = unrolled(parts)
    louder = [(window * gain, probability) for window, probability in stream]
    for one, other in zip(Listener().hear(stream), Listener().hear(louder), strict=True):
        assert one[:2] == pytest.approx(other[:2], abs=0.02)


@given(stretches)
def test_reset_forgets(parts: list[tuple[int, float, int]]) -> None:
    used = Listener()
    used.hear(unrolled(parts))
    used.presence.reset()
    used.foreground.reset()
    probe = unrolled([(60, 0.0, 40), (1800, 0.95, 20), (60, 0.4, 20)])
    assert used.hear(probe) == Listener().hear(probe)


@given(stretches)
def test_digital_silence_has_nobody_in_it(parts: list[tuple[int, float, int]]) -> None:
    """Whatever was heard before, and however sure the model is."""
    listener = Listener()
    listener.hear(unrolled(parts))
    assert listener.hear([(np.zeros(WINDOW, np.int16), 0.95)]) == [(0.0, 0.0, False)]


@given(odds)
def test_evidence_adds_up(pairs: list[tuple[int, int]]) -> None:
    """It is never negative, and more odds are never less of it."""
    less, more = Presence(), Presence()
    for odds, extra in pairs:
        less.take(odds / 4, odds / 4)
        more.take((odds + extra) / 4, (odds + extra) / 4)
        assert 0 <= less.evidence <= more.evidence
        assert more.stirs or not less.stirs
        assert less.head <= more.head <= 1


def test_somebody_who_is_sure_to_sound_stirs_at_once() -> None:
    """And who may sound does after some windows; after what surely is silence nobody does."""
    sure, likely = Presence(), Presence()
    sure.take(-9.0, 9.0)
    assert sure.stirs
    for _ in range(20):
        likely.take(0.7, 0.7)
        if likely.stirs:
            break
        assert likely.evidence > 0
    assert likely.stirs
    likely.take(-9.0, -9.0)
    assert not likely.stirs


def test_bands() -> None:
    """A sine of full scale has a power of 0.5, in its own band."""
    bands = Bands((100, 500, 1000, 4000), 256, RATE)
    time = np.arange(2 * 256) / RATE
    for frequency, band in ((300, 0), (750, 1), (2000, 2)):
        sine = np.rint(32767 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)
        power = bands.power(sine.reshape(2, 256))
        assert power.shape == (2, 3)
        np.testing.assert_allclose(power[:, band], 0.5, rtol=0.05)
        assert np.all(np.delete(power, band, axis=1) < 0.01)


def test_the_noise_is_what_lies_beneath() -> None:
    """Speech above it changes nothing within 2 s, and noise that rises is known after that."""
    noise, random = Noise(2, WINDOW / RATE), np.random.default_rng(2)

    def heard(level: float, seconds: float) -> float:
        for _ in range(round(seconds * RATE / WINDOW)):
            found = noise.push(level * random.uniform(0.7, 1.3, 2))
        return 10 * math.log10(float(found.mean()))

    assert heard(1e-5, 3) == pytest.approx(-50, abs=3)
    assert heard(1e-3, 1.4) == pytest.approx(-50, abs=3)
    assert heard(1e-3, 1.2) == pytest.approx(-30, abs=3)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """A sentence with 1.5 s before it and 1 s behind, in white noise 20 dB below."""
    try:
        voices = Voices(tmp_path_factory.mktemp("voices"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    voice = voices.say("Please, send the report to Margaret", Speaker())
    sounding = np.flatnonzero(np.abs(voice) > 0.02 * np.abs(voice).max())
    voice = voice[sounding[0] : sounding[-1]]
    padded = np.concatenate((np.zeros(3 * RATE // 2), voice, np.zeros(RATE)))
    level = 0.1 * np.sqrt(np.mean(voice**2))
    heard = padded + level * np.random.default_rng(3).standard_normal(len(padded))
    samples: Samples = np.rint(20000 * heard / np.abs(heard).max()).astype(np.int16)
    return samples


@pytest.mark.parametrize("milliseconds", [10, 20, 33, 1000])
def test_the_last_sound_is_where_speech_ends(said: Samples, milliseconds: int) -> None:
    """To some hundredths of a second, and it is known as soon; before anything, it is at 0."""
    vad = SileroVAD()
    assert isinstance(vad, TimingVAD)
    heard, last = 0, 0
    for frame in frames_of(AudioFrame(RATE, said[np.newaxis]), milliseconds):
        vad.push(frame)
        heard += frame.samples_per_channel
        assert last <= vad.last_sound <= heard
        last = vad.last_sound
        if heard <= RATE:
            assert last == 0
    assert last == pytest.approx(len(said) - RATE, abs=0.06 * RATE)
    vad.reset()
    assert (vad.last_sound, vad.stirs) == (0, False)


def test_it_is_counted_at_the_rate_of_the_frames(said: Samples) -> None:
    slow, fast = SileroVAD(), SileroVAD()
    slow.push(AudioFrame(RATE, said[np.newaxis]))
    fast.push(AudioFrame(3 * RATE, np.repeat(said, 3)[np.newaxis]))
    assert fast.last_sound / 3 == pytest.approx(slow.last_sound, abs=0.04 * RATE)


def test_what_is_ignored_stirs_nobody(said: Samples) -> None:
    vad = SileroVAD()
    vad.ignoring = True
    stirs = []
    for frame in frames_of(AudioFrame(RATE, said[np.newaxis]), 20):
        vad.push(frame)
        stirs.append(vad.stirs)
    assert not any(stirs)
    assert vad.last_sound == 0


def test_it_goes_with_the_foreground() -> None:
    """Detectors without one know no more than their probability."""
    for vad in (EnergyVAD(), SileroVAD(VADOptions(foreground=False))):
        vad.push(AudioFrame(RATE, np.full((1, 2 * RATE), 8000, np.int16)))
        assert vad.last_sound == 0
        assert vad.stirs == (vad.probability >= 0.5)
