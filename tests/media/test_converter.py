"""The converter: 20 ms in are 20 ms out, and rates may change in mid-stream."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.media.converter import Converter
from fastrtc_core.testing import fit_sine, longest_silence, tone
from fastrtc_core.testing.signals import frames_of

from ..examples import tries

RATES = (8000, 16000, 22050, 24000, 44100, 48000)


def sine_in_rates(rates: list[int], duration: float, chunk: float = 0.02) -> list[AudioFrame]:
    """One unbroken sine of 1 kHz, in chunks that take turns in their rate."""
    frames = []
    for k, rate in zip(range(round(duration / chunk)), itertools.cycle(rates)):
        time = k * chunk + np.arange(round(chunk * rate)) / rate
        wave = 16384 * np.sin(2 * np.pi * 1000 * time)
        frames.append(AudioFrame(rate, np.rint(wave).astype(np.int16)[np.newaxis]))
    return frames


def joined(parts: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("in_rate", RATES)
@pytest.mark.parametrize("out_rate", RATES)
def test_20_ms_in_are_20_ms_out(in_rate: int, out_rate: int) -> None:
    """Every push of 20 ms yields 20 ms, the first one too, and the sine is clean."""
    converter = Converter(out_rate, 1)
    parts = [converter.push(frame) for frame in frames_of(tone(1000, 0.4, in_rate))]
    assert {part.shape[1] for part in parts} == {out_rate // 50}
    assert fit_sine(joined(parts)[0, out_rate // 50 :], 1000, out_rate).snr > 80


@pytest.mark.parametrize("in_rate", [8000, 24000, 44100])
def test_the_silence_in_front_is_what_is_held_back_at_the_end(in_rate: int) -> None:
    """Flushed, the sound is complete: as long as it was, behind 2 ms of silence at most."""
    converter = Converter(48000, 1)
    parts = [converter.push(frame) for frame in frames_of(tone(1000, 0.2, in_rate))]
    rest = converter.flush()
    assert joined(parts).shape[1] == 9600
    assert 0 < rest.shape[1] <= 96
    assert np.count_nonzero(parts[0][0, : rest.shape[1]]) == 0
    assert parts[0][0, rest.shape[1] : rest.shape[1] + 20].any()


@given(
    sizes=st.lists(st.one_of(st.integers(1, 40), st.integers(1, 3000)), min_size=1, max_size=12),
    in_rate=st.sampled_from(RATES),
    out_rate=st.sampled_from(RATES),
)
@settings(deadline=None, max_examples=tries(60))
def test_any_push_yields_its_own_duration(sizes: list[int], in_rate: int, out_rate: int) -> None:
    """After every push, as much has come out as has gone in, to a sample or two."""
    converter = Converter(out_rate, 1)
    pushed = out = 0
    for size in sizes:
        pushed += size
        out += converter.push(AudioFrame(in_rate, np.ones((1, size), np.int16))).shape[1]
        assert abs(pushed * out_rate / in_rate - out) < 2


@pytest.mark.parametrize("sizes", [[1], [1, 7, 480, 3, 12000], [159, 160, 161], [24000 * 5]])
def test_mixed_sizes_leave_no_seam(sizes: list[int]) -> None:
    """Pushes from one sample to 5 s join to one clean sine."""
    sound = tone(1000, 0.3 if sizes == [1] else 6.0, 24000)
    converter = Converter(48000, 1)
    parts, start = [], 0
    for size in itertools.cycle(sizes):
        if start >= sound.samples_per_channel:
            break
        parts.append(converter.push(AudioFrame(24000, sound.data[:, start : start + size])))
        start += size
    assert fit_sine(joined(parts)[0, 480:], 1000, 48000).snr > 80


@pytest.mark.parametrize(
    "rates", [[24000, 48000], [24000, 16000], [48000, 24000, 16000, 44100], [44100, 22050, 48000]]
)
@pytest.mark.parametrize("out_rate", [48000, 24000])
def test_rates_that_change_leave_no_gap(rates: list[int], out_rate: int) -> None:
    """Frames that take turns in their rate join: nothing is lost, stretched or interrupted."""
    converter = Converter(out_rate, 1)
    out = 0
    parts = []
    for k, frame in enumerate(sine_in_rates(rates, 2.0), 1):
        parts.append(converter.push(frame))
        out += parts[-1].shape[1]
        assert abs(out - k * out_rate // 50) <= out_rate // 500, (
            "20 ms in, 20 ms out, give or take 2"
        )
    parts.append(converter.flush())
    whole = joined(parts)[0]
    assert abs(len(whole) - 2 * out_rate) <= out_rate // 500
    assert fit_sine(whole[out_rate // 50 : -out_rate // 50], 1000, out_rate).snr > 38
    assert longest_silence(whole[out_rate // 50 : -out_rate // 50], out_rate, 10) < 0.001


def test_layouts_are_brought_to_one() -> None:
    """Mono becomes both sides, stereo the mean, frame by frame."""
    mono = AudioFrame(48000, np.full((1, 4), 100, np.int16))
    stereo = AudioFrame(48000, np.array([[100] * 4, [300] * 4], np.int16))
    to_mono, to_stereo = Converter(48000, 1), Converter(48000, 2)
    assert to_mono.push(stereo).tolist() == [[200] * 4]
    assert to_mono.push(mono).tolist() == [[100] * 4]
    assert to_stereo.push(mono).tolist() == [[100] * 4] * 2
    assert to_stereo.push(stereo).tolist() == [[100] * 4, [300] * 4]


def test_stereo_stays_separate_through_a_change_of_rate() -> None:
    """A sine on the left leaves the right silent, held back samples included."""
    converter = Converter(48000, 2)
    parts = []
    for frame in frames_of(tone(1000, 0.2, 24000)):
        data = np.concatenate([frame.data, np.zeros_like(frame.data)])
        parts.append(converter.push(AudioFrame(24000, data)))
    parts.append(converter.flush())
    assert fit_sine(joined(parts)[0, 480:-480], 1000, 48000).snr > 80
    assert np.abs(joined(parts)[1]).max() <= 1


def test_the_same_rate_and_layout_pass_untouched() -> None:
    """Without anything to convert, the very array comes back and nothing is held."""
    converter = Converter(48000, 1)
    frame = tone(1000, 0.02)
    assert converter.push(frame) is frame.data
    assert converter.flush().shape == (1, 0)


def test_after_a_flush_the_next_frame_starts_afresh() -> None:
    """Nothing of one utterance is heard in the next."""
    converter = Converter(48000, 1)
    frames = list(frames_of(tone(1000, 0.1, 24000)))
    first = joined([converter.push(frame) for frame in frames])
    converter.flush()
    second = joined([converter.push(frame) for frame in frames])
    np.testing.assert_array_equal(first, second)
