"""What of a microphone is heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import AudioFrame
from fastrtc_core.media.level import level_of
from fastrtc_core.room.noise_gate import CLOSE, HOLD, OPEN, NoiseGate
from fastrtc_core.testing import noise, tone
from fastrtc_core.testing.signals import frames_of

RATE = 48000
FRAME = 0.02


def level(amplitude: float, number: int = 0) -> AudioFrame:
    """20 ms of a level, of 1; the number is in its first sample."""
    samples = np.full((1, 960), round(amplitude * 32768), np.int16)
    samples[0, 0] += number
    return AudioFrame(RATE, samples)


def test_silence_and_quiet_noise_are_left_out() -> None:
    """Digital silence, and the noise of a microphone at -63 dB, for as long as it goes on."""
    gate = NoiseGate()
    for frame in frames_of(noise(20.0, RATE, 0.0007)):
        assert gate.push(frame) == ()
    assert gate.push(level(0.0)) == ()


def test_a_word_is_heard_from_before_its_beginning_to_after_its_end() -> None:
    """As it is, with the frame before it, and what follows for half a second."""
    gate = NoiseGate()
    word = list(frames_of(tone(300, 0.2, RATE, 0.1)))
    said = [level(0.0)] * 10 + word + [level(0.0)] * 100
    heard = [frame for one in said for frame in gate.push(one)]
    assert len(heard) == 1 + len(word) + round(HOLD / FRAME)
    assert not heard[0].data.any()
    for was, now in zip(word, heard[1:], strict=False):
        assert np.array_equal(was.data, now.data)


def test_pauses_within_speech_and_what_fades_are_kept() -> None:
    """Words 0.4 s apart, with a second of quiet between the two levels at the end."""
    gate = NoiseGate()
    pause = [level(0.0)] * 20
    said = [*frames_of(tone(300, 0.2, RATE, 0.1)), *pause] * 5 + [level((OPEN + CLOSE) / 2)] * 50
    assert [frame for one in said for frame in gate.push(one)] == said


def test_a_frame_that_is_used_again_is_not_lost() -> None:
    """What was before the word is what came then."""
    gate = NoiseGate()
    frame = level(0.0, 5)
    assert gate.push(frame) == ()
    frame.data[:] = 9000
    before, now = gate.push(frame)
    assert before.data[0, 0] == 5
    assert now is frame


@given(st.lists(st.sampled_from([0.0, 0.0012, 0.0015, 0.003, 0.2]), max_size=120))
def test_what_is_heard_is_a_part_of_what_was_said(levels: list[float]) -> None:
    """In order, each frame once, everything that is loud, and nothing of long silence."""
    gate = NoiseGate()
    said = [level(one, number) for number, one in enumerate(levels)]
    heard = [frame for one in said for frame in gate.push(one)]
    numbers = [
        next(n for n, one in enumerate(said) if np.array_equal(one.data, frame.data))
        for frame in heard
    ]
    assert numbers == sorted(set(numbers))
    for number, one in enumerate(levels):
        if one > OPEN:
            assert number in numbers
    if not any(one > OPEN for one in levels):
        assert heard == []


@pytest.mark.parametrize("channels", [1, 2])
def test_the_level_is_that_of_all_channels(channels: int) -> None:
    """Of a sine, its amplitude over the root of two; of nothing, nothing."""
    data = np.repeat(tone(500, 0.02, RATE, 0.5).data, channels, axis=0)
    assert level_of(AudioFrame(RATE, data)) == pytest.approx(0.5 / 2**0.5, rel=0.01)
    assert level_of(AudioFrame(RATE, np.zeros((channels, 0), np.int16))) == 0.0
