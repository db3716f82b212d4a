"""One hour of eight channels, as fast as it goes: no drift, and no growth."""

from __future__ import annotations

import gc
import time
import wave
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from fastrtc_core.sources import Block, ChannelAligner, FileSource, aiter_source

RATE = 16000
HOUR = 3600 * RATE
CHANNELS = 8


def expected(pts: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """A minute that repeats; each channel is shifted by its number."""
    index = (np.arange(pts, pts + count) % (60 * RATE)) % 30011
    return np.array([(index + 11 * channel) for channel in range(CHANNELS)]).astype(np.int16)


@pytest.mark.soak
async def test_an_hour_of_eight_channels(tmp_path: Path) -> None:
    """From a file that loops through an aligner to a reader: every sample in its place."""
    path = tmp_path / "minute.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((CHANNELS, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(expected(0, 60 * RATE).T).tobytes())
    source = FileSource(path, loop=True, real_time=False, block_duration=0.1)
    aligner = ChannelAligner([CHANNELS], RATE, 3200, max_skew=0)
    process = psutil.Process()
    sizes: list[int] = []
    position = 0
    began = time.perf_counter()
    async with aiter_source(source) as blocks:
        async for block in blocks:
            for out in aligner.push(0, block):
                position = check(out, position)
                if position % (600 * RATE) == 0:
                    gc.collect()
                    sizes.append(process.memory_info().rss)
            if position >= HOUR:
                break
    took = time.perf_counter() - began
    print(f"{took:.1f} s, {3600 / took:.0f} times real time; {[size >> 20 for size in sizes]} MB")
    assert position == HOUR
    assert len(sizes) == 6
    assert max(sizes[1:]) - sizes[0] < 10 << 20


def check(block: Block, position: int) -> int:
    assert block.pts == position
    assert not block.discontinuity
    # Every block would take longer to check than to make; all have their place, one in ten is read.
    if position % 32000 == 0:
        assert np.array_equal(block.data, expected(position, block.samples))
    return block.end
