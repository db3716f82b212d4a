"""Resampling: exact lengths, the level kept, and no seam between pushes."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterator

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core.media.resampler import Resampler
from fastrtc_core.testing import fit_sine, tone

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
PAIRS = [(a, b) for a in RATES for b in RATES if a != b]


def cut(data: NDArray[np.int16], sizes: list[int]) -> Iterator[NDArray[np.int16]]:
    """Pieces of these sizes, again and again."""
    start = 0
    for size in itertools.cycle(sizes):
        if start >= data.shape[1]:
            return
        yield data[:, start : start + size]
        start += size


def resample(
    data: NDArray[np.int16], in_rate: int, out_rate: int, sizes: list[int]
) -> NDArray[np.int16]:
    """Everything that comes out, `flush` included."""
    resampler = Resampler(in_rate, out_rate, data.shape[0])
    parts = [resampler.push(piece) for piece in cut(data, sizes)]
    return np.concatenate([*parts, resampler.flush()], axis=1)


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_a_sine_keeps_its_level_and_its_length(in_rate: int, out_rate: int) -> None:
    """1 kHz is within 0.1 dB, 80 dB above everything else, and as long as it was (±1 sample)."""
    sound = tone(1000, 0.5, in_rate)
    out = resample(sound.data, in_rate, out_rate, [in_rate // 50])
    assert abs(out.shape[1] - out_rate // 2) <= 1
    fit = fit_sine(out[0, out_rate // 20 : -out_rate // 20], 1000, out_rate)
    assert abs(20 * math.log10(fit.amplitude / 16384)) < 0.1
    assert fit.snr > 80


@pytest.mark.parametrize(
    ("in_rate", "out_rate"), [(767_999, 1009), (767_999, 48000), (400_000, 8001), (1009, 767_999)]
)
def test_rates_that_have_nothing_in_common(in_rate: int, out_rate: int) -> None:
    """No filter takes long to make, and what comes out is as it is between any other rates."""
    lower = min(in_rate, out_rate)
    frequency = 0.1 * lower
    sound = tone(frequency, 1.0, in_rate)
    began = time.process_time()
    resampler = Resampler(in_rate, out_rate, 1)
    first = resampler.push(sound.data[:, : in_rate // 50])
    assert time.process_time() - began < 0.3  # 1.9 s where one filter does all of it
    out = np.concatenate(
        [first, resampler.push(sound.data[:, in_rate // 50 :]), resampler.flush()], axis=1
    )
    assert abs(out.shape[1] - out_rate) <= 2
    fit = fit_sine(out[0, out_rate // 20 : -out_rate // 20], frequency, out_rate)
    assert abs(20 * math.log10(fit.amplitude / 16384)) < 0.1
    assert fit.snr > 70


@pytest.mark.parametrize(("in_rate", "out_rate"), [(24000, 48000), (44100, 48000), (48000, 8000)])
@pytest.mark.parametrize("sizes", [[1], [1, 7, 480, 3, 2000], [159, 160, 161], [10**6]])
def test_the_size_of_a_push_makes_no_difference(
    in_rate: int, out_rate: int, sizes: list[int]
) -> None:
    """Pushes of one sample, of mixed sizes, or of everything come out the same."""
    sound = tone(1000, 0.2, in_rate)
    whole = resample(sound.data, in_rate, out_rate, [in_rate // 50])
    np.testing.assert_array_equal(resample(sound.data, in_rate, out_rate, sizes), whole)


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_it_holds_back_two_milliseconds_at_most(in_rate: int, out_rate: int) -> None:
    """All but 16 samples of the lower rate comes out of the same push."""
    resampler = Resampler(in_rate, out_rate, 1)
    came_out = resampler.push(tone(500, 0.1, in_rate).data).shape[1]
    held = out_rate / 10 - came_out
    assert held <= 16 * max(1, out_rate / in_rate) + 1
    assert held / out_rate <= 0.0021


def test_stereo_stays_separate() -> None:
    """What sounds on the left alone leaves the right silent."""
    left = tone(1000, 0.2, 24000).data
    out = resample(np.concatenate([left, np.zeros_like(left)]), 24000, 48000, [480])
    assert fit_sine(out[0, 960:-960], 1000, 48000).snr > 80
    assert np.abs(out[1]).max() <= 1


def test_the_same_rate_passes_through() -> None:
    """Without a change of rate nothing is computed, copied or held back."""
    resampler = Resampler(48000, 48000, 1)
    data = tone(1000, 0.02).data
    assert resampler.push(data) is data
    assert resampler.flush().shape == (1, 0)


def test_an_empty_push_is_nothing() -> None:
    """A push of no samples yields none and disturbs nothing."""
    resampler = Resampler(8000, 48000, 2)
    assert resampler.push(np.zeros((2, 0), np.int16)).shape == (2, 0)
    assert resampler.flush().shape == (2, 0)


def test_after_a_flush_it_starts_afresh() -> None:
    """The second utterance comes out as the first one did."""
    resampler = Resampler(24000, 48000, 1)
    data = tone(1000, 0.1, 24000).data
    first = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    second = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    np.testing.assert_array_equal(first, second)


def test_full_scale_does_not_wrap() -> None:
    """A square wave overshoots in the filter; it clips there and does not wrap."""
    square = np.where(np.arange(4800) // 48 % 2, 32767, -32768).astype(np.int16)[np.newaxis]
    out = resample(square, 48000, 44100, [960])[0].astype(np.int32)
    middle = out[441:-441]
    assert np.abs(np.diff(middle)).max() <= 65535
    assert np.count_nonzero(np.abs(middle) < 20000) < 0.1 * len(middle)


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize(("in_rate", "out_rate"), [(24000, 48000), (48000, 16000), (44100, 48000)])
def test_it_is_the_resampler_of_ffmpeg(in_rate: int, out_rate: int, layout: str) -> None:
    """To the bit what `av.AudioResampler` makes of it, push by push."""
    channels = 1 if layout == "mono" else 2
    noise = np.random.default_rng(1).integers(-(2**15), 2**15, (channels, 4000), np.int16)
    ours = Resampler(in_rate, out_rate, channels)
    theirs = av.AudioResampler("s16p", layout, out_rate)

    def expected(frame: av.AudioFrame | None) -> NDArray[np.int16]:
        parts = [np.asarray(part.to_ndarray()) for part in theirs.resample(frame)]
        return np.concatenate([np.zeros((channels, 0), np.int16), *parts], axis=1)

    for piece in cut(noise, [1, 7, 480, 960]):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "s16p", layout)
        frame.sample_rate = in_rate
        np.testing.assert_array_equal(ours.push(piece), expected(frame))
    np.testing.assert_array_equal(ours.flush(), expected(None))


@pytest.mark.skipif(not hasattr(av.filter.Graph, "threads"), reason="PyAV 16 cannot be told")
def test_it_starts_no_thread() -> None:
    """FFmpeg would start one for each core and one more, for each stream."""
    before = len(os.listdir("/proc/self/task"))
    resamplers = [Resampler(24000, 48000, 1) for _ in range(10)]
    for resampler in resamplers:
        resampler.push(tone(1000, 0.02, 24000).data)
    assert len(os.listdir("/proc/self/task")) <= before
