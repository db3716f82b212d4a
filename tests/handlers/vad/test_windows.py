"""From frames of any kind to windows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, ConfigurationError, InvalidFrameError
from fastrtc_core.testing import fit_sine, noise, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_handlers.vad.windows import Windows

from ...examples import tries

RATES = (8000, 16000, 24000, 44100, 48000)


def cut(sound: AudioFrame, sizes: list[int]) -> list[AudioFrame]:
    """Frames whose lengths take turns."""
    frames: list[AudioFrame] = []
    start = 0
    for size in itertools.cycle(sizes):
        if start >= sound.samples_per_channel:
            return frames
        frames.append(AudioFrame(sound.sample_rate, sound.data[:, start : start + size]))
        start += size
    raise AssertionError


def joined(frames: list[AudioFrame], size: int = 512) -> NDArray[np.int16]:
    windows = Windows(16000, size)
    parts = [windows.push(frame) for frame in frames]
    assert all(part.shape[1] == size and part.dtype == np.int16 for part in parts)
    return np.concatenate(parts).ravel()


@given(
    sizes=st.lists(st.one_of(st.integers(1, 30), st.integers(1, 5000)), min_size=1, max_size=8),
    rate=st.sampled_from(RATES),
)
@settings(deadline=None, max_examples=tries(40))
def test_how_the_sound_is_cut_does_not_matter(sizes: list[int], rate: int) -> None:
    """Frames of 1 sample to 5000 give the same windows as one long frame."""
    sound = noise(0.2, rate)
    np.testing.assert_array_equal(joined(cut(sound, sizes)), joined([sound]))


@pytest.mark.parametrize("rate", RATES)
def test_windows_lie_where_they_say(rate: int) -> None:
    """A step at 0.5 s is found at 0.5 s, and leads back to the pushed sample."""
    data = np.zeros((1, rate), np.int16)
    data[0, rate // 2 :] = 10000
    windows = Windows(16000, 64)
    heard = np.concatenate([windows.push(frame) for frame in frames_of(AudioFrame(rate, data))])
    step = int(np.argmax(heard.ravel() > 5000))
    assert abs(step - 8000) <= 1
    assert abs(windows.position(step) - rate // 2) <= rate // 8000


@pytest.mark.parametrize("rate", RATES)
def test_the_sound_is_clean(rate: int) -> None:
    heard = joined(list(frames_of(tone(1000, 0.5, rate))))
    assert fit_sine(heard[512:], 1000, 16000).snr > 60


def test_channels_are_mixed() -> None:
    stereo = AudioFrame(16000, np.array([[100] * 8, [301] * 8], np.int16))
    assert joined([stereo], 8).tolist() == [200] * 8


@pytest.mark.parametrize("rate", RATES)
def test_silence_keeps_the_time(rate: int) -> None:
    """Sound, silence that passes the resampler by, and sound again: each where it belongs."""
    sound, pause = tone(1000, 0.2, rate).data, np.zeros((1, rate), np.int16)
    pause[0, ::7] = 1
    frame = AudioFrame(rate, np.concatenate([sound, pause, sound, pause, sound], axis=1))
    heard = joined(list(frames_of(frame)), 64)
    assert abs(len(heard) - 2.6 * 16000) < 64 + 32
    for start in (0, 19200, 38400):
        part = heard[start + 200 : start + 2900]
        assert fit_sine(part, 1000, 16000).snr > 40
    # 20 ms are resampled until the filter has run out.
    assert not heard[3200 + 640 : 19200].any()


def test_a_rate_that_changes_is_refused() -> None:
    """The text says what to do; after a reset any rate goes."""
    windows = Windows(16000, 512)
    windows.push(tone(1000, 0.02, 48000))
    with pytest.raises(ConfigurationError, match=r"24000 Hz after frames of 48000 Hz: call reset"):
        windows.push(tone(1000, 0.02, 24000))
    windows.reset()
    assert windows.push(tone(1000, 0.064, 16000)).shape == (2, 512)


def test_a_rate_too_low_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="push 8000 Hz or more"):
        Windows(16000, 512).push(tone(100, 0.02, 4000))


@pytest.mark.parametrize(
    "data",
    [np.zeros(320, np.int16), np.zeros((3, 320), np.int16), np.zeros((1, 320), np.float32)],
)
def test_frames_that_are_none_are_refused(data: NDArray[np.int16]) -> None:
    """The text names shape and dtype."""
    with pytest.raises(InvalidFrameError) as caught:
        Windows(16000, 512).push(AudioFrame(16000, data))
    assert str(data.shape) in str(caught.value)
    assert str(data.dtype) in str(caught.value)


def test_an_empty_frame_is_nothing() -> None:
    windows = Windows(16000, 512)
    assert windows.push(AudioFrame(48000, np.zeros((1, 0), np.int16))).shape == (0, 512)
    assert windows.push(tone(1000, 0.064, 48000)).shape == (1, 512)
