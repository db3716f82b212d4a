"""The framer: frames of one length, whatever comes in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import AudioFrame
from fastrtc_core.media.framer import Framer
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.testing.signals import frames_of

from ..examples import tries


@given(sizes=st.lists(st.integers(0, 2000), max_size=20))
@settings(deadline=None, max_examples=tries(100))
def test_every_sample_comes_out_once_and_in_order(sizes: list[int]) -> None:
    """Frames are exactly full; the last one alone is padded, and only by `flush`."""
    framer = Framer(24000, 1, 480)
    numbers = (np.arange(sum(sizes)) % 30_000 + 1).astype(np.int16)
    frames: list[AudioFrame] = []
    start = 0
    for size in sizes:
        frames += framer.push(AudioFrame(24000, numbers[np.newaxis, start : start + size]))
        start += size
    assert len(frames) == start // 480
    frames += framer.flush()
    assert all(frame.data.shape == (1, 480) for frame in frames)
    out = np.concatenate([np.zeros(0, np.int16), *(frame.data[0] for frame in frames)])
    np.testing.assert_array_equal(out[:start], numbers)
    assert len(out) - start < 480
    assert not out[start:].any()


@pytest.mark.parametrize("in_rate", [8000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("out_rate", [8000, 16000, 24000, 48000])
def test_a_frame_of_20_ms_completes_a_frame_at_once(in_rate: int, out_rate: int) -> None:
    """None waits for the one after it, whatever the rates."""
    framer = Framer(out_rate, 1, out_rate // 50)
    for frame in frames_of(tone(1000, 0.2, in_rate)):
        (cut,) = framer.push(frame)
        assert cut.sample_rate == out_rate
        assert cut.data.shape == (1, out_rate // 50)


def test_flush_gives_what_the_resampler_held() -> None:
    """The end of a track is complete: the sine goes on to its last sample."""
    framer = Framer(48000, 2, 960)
    frames = [cut for frame in frames_of(tone(1000, 0.2, 24000)) for cut in framer.push(frame)]
    (rest,) = framer.flush()
    assert np.count_nonzero(rest.data[0]) > 20
    whole = np.concatenate([frame.data for frame in [*frames, rest]], axis=1)
    assert fit_sine(whole[0, 100:9600], 1000, 48000).snr > 60
    assert list(framer.flush()) == []


def test_the_frames_share_no_memory_with_their_source() -> None:
    """A reader that works in place changes nobody else's samples."""
    framer = Framer(48000, 1, 960)
    source = tone(1000, 0.02)
    before = source.data.copy()
    (cut,) = framer.push(source)
    cut.data[:] = 0
    np.testing.assert_array_equal(source.data, before)
