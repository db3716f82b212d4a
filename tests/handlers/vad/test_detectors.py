"""What all detectors do alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.media.resampler import Resampler
from fastrtc_core.testing import speech_like, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.vad import VAD, EnergyVAD, LegacyVAD, SileroVAD, VADEvent, VADOptions

from ..conversations import Conversation, Voices, conversation
from .test_legacy import Loud

PROTOTYPES: list[VAD] = [SileroVAD(), EnergyVAD(), LegacyVAD(Loud())]
each_detector = pytest.mark.parametrize("prototype", PROTOTYPES, ids=lambda vad: type(vad).__name__)


@pytest.fixture(scope="module")
def talk(voices: Voices) -> Conversation:
    """Two utterances over pink noise."""
    return conversation(11, voices, snr=20, turns=2)


def listen(vad: VAD, sound: AudioFrame, milliseconds: int = 20) -> list[VADEvent]:
    return [event for frame in frames_of(sound, milliseconds) for event in vad.push(frame)]


@each_detector
def test_it_is_a_vad(prototype: VAD) -> None:
    assert isinstance(prototype, VAD)


@each_detector
def test_speaking_is_the_last_event(prototype: VAD, talk: Conversation) -> None:
    vad = prototype.copy()
    assert not vad.speaking
    kinds = set()
    for frame in talk.frames():
        for event in vad.push(frame):
            kinds.add(event.kind)
            assert vad.speaking is (event.kind == "speech_start")
        assert 0 <= vad.probability <= 1
    assert kinds == {"speech_start", "speech_end"}


@each_detector
def test_a_copy_hears_nothing_of_the_original(prototype: VAD, talk: Conversation) -> None:
    """Fresh in the middle of speech, and as able as the original was."""
    original = prototype.copy()
    first = listen(original, talk.audio)
    copy = original.copy()
    assert (copy.speaking, copy.probability) == (False, 0)
    assert listen(copy, talk.audio) == first


@each_detector
def test_after_a_reset_positions_count_anew(prototype: VAD, talk: Conversation) -> None:
    """The same stream gives the same events, at another rate too in between."""
    vad = prototype.copy()
    first = listen(vad, talk.audio)
    vad.reset()
    assert (vad.speaking, vad.probability) == (False, 0)
    listen(vad, speech_like(1, 48000))
    vad.reset()
    assert listen(vad, talk.audio) == first


@each_detector
@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_positions_are_those_of_the_pushed_rate(
    prototype: VAD, talk: Conversation, rate: int
) -> None:
    """Stereo at any rate: the events of 16 kHz, two windows off at most."""
    resampler = Resampler(16000, rate, 1)
    data = np.concatenate([resampler.push(talk.audio.data), resampler.flush()], axis=1)
    stereo = AudioFrame(rate, np.repeat(data, 2, axis=0))
    tolerance = 0 if isinstance(prototype, LegacyVAD) else 1024 * rate // 16000
    expected, found = listen(prototype.copy(), talk.audio), listen(prototype.copy(), stereo)
    assert len(found) == len(expected)
    for event, other in zip(found, expected, strict=True):
        assert event.kind == other.kind
        assert abs(event.position - other.position * rate / 16000) <= tolerance
        assert abs(event.decided - other.decided * rate / 16000) <= tolerance


@given(milliseconds=st.integers(1, 3000))
@settings(deadline=None, max_examples=15)
@each_detector
def test_the_length_of_frames_does_not_matter(prototype: VAD, milliseconds: int) -> None:
    sound = speech_like(3, 16000)
    assert listen(prototype.copy(), sound, milliseconds) == listen(prototype.copy(), sound)


@each_detector
def test_a_rate_that_changes_is_refused(prototype: VAD) -> None:
    vad = prototype.copy()
    vad.push(tone(1000, 0.02, 16000))
    with pytest.raises(ConfigurationError, match="call reset"):
        vad.push(tone(1000, 0.02, 48000))


@pytest.mark.parametrize("kind", [SileroVAD, EnergyVAD])
def test_options_pass_to_copies(kind: type[SileroVAD] | type[EnergyVAD]) -> None:
    options = VADOptions(threshold=0.8, min_silence=0.5)
    assert kind(options).copy().options is options
