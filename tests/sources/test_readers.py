"""The ways to an event loop: `aiter_source` and `SourceTrack`."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import numpy as np
import pytest

from fastrtc_core import AudioFrame, AudioStream, ConfigurationError
from fastrtc_core.sources import (
    Block,
    CallbackSource,
    Source,
    SourceInterface,
    SourceTrack,
    ToneSource,
    aiter_source,
)
from fastrtc_core.testing import fit_sine

from .files import ramp


class Manual(SourceInterface):
    """A source that has its own threads, as a driver of some device: the test emits."""

    def __init__(self, live: bool = True) -> None:
        self.live = live
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def emit(self, pts: int, samples: int = 480, channels: int = 1) -> None:
        self._emit(Block(ramp(samples, channels, start=pts), 48000, pts))


class Burst(Source):
    """So many blocks at once, and then silence; or an error."""

    def __init__(self, count: int, error: Exception | None = None, live: bool = True) -> None:
        super().__init__()
        self.live, self.count, self.error = live, count, error
        self.go = threading.Event()
        self.go.set()
        self.done = threading.Event()

    def _run(self) -> None:
        self.go.wait(5)
        for _ in range(self.count):
            self._emit(AudioFrame(8000, ramp(8)))
        self.done.set()
        if self.error is not None:
            raise self.error


async def wait_for(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 5)


async def test_blocks_in_a_loop() -> None:
    """From the first to the end, and then the source is stopped."""
    source = ToneSource(duration=0.5, real_time=False)
    blocks = [block async for block in aiter_source(source)]
    assert [block.pts for block in blocks] == list(range(0, 24000, 960))
    assert not source.running


async def test_it_can_be_read_again() -> None:
    """Each iterator starts it anew."""
    source = ToneSource(duration=0.1, real_time=False)
    for _ in range(2):
        assert len([block async for block in aiter_source(source)]) == 5


async def test_a_source_that_can_wait_loses_nothing() -> None:
    """A slow reader holds it back."""
    source = ToneSource(duration=0.4, real_time=False)
    async with aiter_source(source, capacity=2) as blocks:
        count = 0
        async for block in blocks:
            assert block.pts == 960 * count
            count += 1
            await asyncio.sleep(0.005)
        assert (count, blocks.dropped) == (20, 0)


async def test_a_live_source_loses_the_oldest() -> None:
    """The drops are counted, and the block after them is flagged."""
    source = Burst(30)
    blocks = aiter_source(source, capacity=10)
    first = asyncio.create_task(anext(blocks))
    await first
    await wait_for(source.done)
    rest = [block async for block in blocks]
    assert 1 + len(rest) + blocks.dropped == 30
    assert len(rest) <= 10
    assert blocks.dropped >= 19
    # The first read may have been served after the drops already.
    assert not any(block.discontinuity for block in rest[1:])


async def test_an_error_comes_after_what_was_read() -> None:
    """At the end of the iteration, also for `on_error`."""
    source = Burst(3, OSError("gone"))
    told: list[Exception] = []
    source.on_error = told.append
    blocks = aiter_source(source)
    for _ in range(3):
        await anext(blocks)
    with pytest.raises(OSError, match="gone"):
        await anext(blocks)
    assert [str(error) for error in told] == ["gone"]


async def test_the_end_is_still_told_to_the_application() -> None:
    """Its `on_end` is called, and is there afterwards."""
    ends: list[str] = []
    source = Burst(1)
    source.on_end = mine = lambda: ends.append("end")
    assert len([block async for block in aiter_source(source)]) == 1
    assert ends == ["end"]
    assert source.on_end is mine


async def test_stop_ends_the_iteration() -> None:
    """Whoever stops the source, in whatever thread, while it is blocked or the reader is."""
    for live in (True, False):
        source = ToneSource(real_time=False)
        source.live = live
        async with aiter_source(source, capacity=2) as blocks:
            await anext(blocks)
            await asyncio.sleep(0.02)
            began = time.monotonic()
            await asyncio.to_thread(source.stop)
            assert len([block async for block in blocks]) <= 2
            assert time.monotonic() - began < 1


async def test_a_break_stops_the_source() -> None:
    """Soon, and without a context."""
    source = ToneSource()
    async for _ in aiter_source(source):
        break
    gc.collect()
    for _ in range(100):
        if not source.running:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the source still runs")


async def test_a_cancelled_reader_leaves_nothing() -> None:
    """The context stops the source."""
    source = Burst(0)
    source.live = True

    async def read() -> None:
        async with aiter_source(Manual()) as blocks:
            await anext(blocks)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_only_one_task_reads() -> None:
    """A second one is told so."""
    async with aiter_source(Manual()) as blocks:
        first = asyncio.create_task(anext(blocks))
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError, match="another task"):
            await anext(blocks)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_track_is_decoded_once_for_many() -> None:
    """Each stream has its rate and layout."""
    calls = 0

    def read(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        nonlocal calls
        calls += 1
        time = np.arange((calls - 1) * count, calls * count) / 48000
        return 0.5 * np.sin(2 * np.pi * 500 * time)

    async with SourceTrack(CallbackSource(read)) as track:
        streams = [AudioStream(track, sample_rate=rate) for rate in (8000, 16000, 48000)]
        await asyncio.sleep(0.6)
    for stream, rate in zip(streams, (8000, 16000, 48000), strict=True):
        data = np.concatenate([event.frame.data for event in [e async for e in stream]], axis=1)
        assert 0.4 * rate < data.shape[1] < 0.8 * rate
        amplitude, ratio = fit_sine(data[0, rate // 10 : -rate // 25], 500, rate)
        assert amplitude == pytest.approx(16384, rel=0.05)
        assert ratio > 25
    assert 20 < calls < 45
    assert track.dropped == 0


async def test_a_track_ends_with_its_source() -> None:
    """And with it the streams."""
    track = SourceTrack(ToneSource([440, 880], duration=0.1))
    stream = AudioStream(track, num_channels=2)
    await track.start()
    frames = [event.frame async for event in stream]
    assert len(frames) == 5
    assert track.ended
    await track.aclose()
    await track.aclose()


async def test_a_hole_keeps_its_length_in_a_track() -> None:
    """What is missing is silence, so that what follows comes in time."""
    source = Manual()
    async with SourceTrack(source, channels=1) as track:
        stream = AudioStream(track)
        for pts in (0, 480, 1440, 1920):
            source.emit(pts, channels=2)
        await asyncio.sleep(0.02)
    data = np.concatenate([event.frame.data async for event in stream], axis=1)
    whole = ramp(2880, 2)[1]
    whole[960:1440] = 0
    whole[2400:] = 0
    assert data[0].tolist() == whole.tolist()


async def test_a_busy_loop_bounds_what_waits() -> None:
    """Blocks that come while fifty wait are dropped and counted."""
    source = Burst(80)
    source.go.clear()
    track = SourceTrack(source)
    await track.start()
    source.go.set()
    assert source.done.wait(5)  # the event loop is blocked, as careless applications block it
    await asyncio.sleep(0.01)
    assert track.frames + track.dropped >= 80
    assert track.dropped >= 20
    await track.aclose()


async def test_a_track_wants_real_time_and_a_choice_of_channels() -> None:
    """Both are said at once, or when the channels are known."""
    with pytest.raises(ConfigurationError, match="real_time=True"):
        SourceTrack(ToneSource(real_time=False))
    with pytest.raises(ConfigurationError, match="an index"):
        SourceTrack(ToneSource(), channels=(0, 1, 2))
    async with SourceTrack(source := ToneSource([1, 2, 3, 4])) as track:
        told: list[Exception] = []
        source.on_error = told.append
        await asyncio.sleep(0.1)
        assert "4 channels" in str(told[0])
        with pytest.raises(ConfigurationError, match="4 channels"):
            await track.aclose()
