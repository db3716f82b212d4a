"""The rhythm of a local audio track, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import numpy as np
import pytest

from fastrtc_core import AudioFrame, AudioSource, EndOfStreamError
from fastrtc_core.media.pacing import MAX_BURST, MAX_GRACE, SETTLE, TAIL_GRACE, TOLERANCE
from fastrtc_core.media.session_clock import SessionClock
from fastrtc_core.tracks import LocalAudioTrack, TimedAudioFrame

pytestmark = pytest.mark.virtual_clock

RATE = 48000
FRAME = 960


class Listener:
    """Takes every packet of a track as it leaves."""

    def __init__(self, source: AudioSource, epoch: float = 0.0) -> None:
        self.track = LocalAudioTrack(source, SessionClock(epoch))
        self.times: list[float] = []
        self.frames: list[TimedAudioFrame] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                timed = await self.track.next_frame()
            except EndOfStreamError:
                return
            self.times.append(loop.time())
            self.frames.append(timed)

    @property
    def timestamps(self) -> list[int]:
        return [timed.timestamp for timed in self.frames]

    @property
    def sound(self) -> list[int]:
        """Every sample of the first channel."""
        return np.concatenate([timed.data[0] for timed in self.frames]).tolist()  # type: ignore[no-any-return]


@asynccontextmanager
async def listening(source: AudioSource, epoch: float = 0.0) -> AsyncIterator[Listener]:
    """A listener for as long as the context lasts; then the source is closed."""
    listener = Listener(source, epoch)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.run())
        await asyncio.sleep(0)
        try:
            yield listener
        finally:
            await source.aclose()


def audio(milliseconds: float, number: int = 1, channels: int = 1) -> AudioFrame:
    """So many ms at 48 kHz, all of one number."""
    return AudioFrame(RATE, np.full((channels, round(milliseconds * 48)), number, np.int16))


async def test_packets_leave_every_20_ms() -> None:
    """One push of a second leaves as 50 packets, each when it is due."""
    source = AudioSource()
    async with listening(source) as listener:
        source.try_push(audio(1000))
        await asyncio.sleep(2)
    assert listener.times == pytest.approx([k * 0.02 for k in range(50)])
    assert listener.timestamps == [k * FRAME for k in range(50)]
    assert {timed.data.shape for timed in listener.frames} == {(1, FRAME)}
    assert {timed.sample_rate for timed in listener.frames} == {RATE}


async def test_ten_idle_minutes_cost_nothing() -> None:
    """While nothing is queued there is no packet, no timer, and not one turn of the loop."""
    loop = asyncio.get_running_loop()
    source = AudioSource()
    async with listening(source) as listener:
        source.try_push(audio(20))
        await asyncio.sleep(1)
        with counting_turns(loop) as counter:
            await asyncio.sleep(600)
        assert len(listener.frames) == 1
        assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    assert counter[0] <= 2, "the turn in which this test wakes up"


@contextmanager
def counting_turns(loop: asyncio.AbstractEventLoop) -> Iterator[list[int]]:
    """Counts how often the loop looks for events."""
    selector = loop._selector  # type: ignore[attr-defined]
    original = selector.select
    counter = [0]

    def select(timeout: float | None = None) -> object:
        counter[0] += 1
        return original(timeout)

    selector.select = select
    try:
        yield counter
    finally:
        selector.select = original


async def test_a_playing_track_wakes_once_for_each_packet() -> None:
    """A second of speech takes some 50 turns of the loop, not thousands."""
    loop = asyncio.get_running_loop()
    source = AudioSource()
    async with listening(source) as listener:
        source.try_push(audio(1000))
        with counting_turns(loop) as counter:
            await asyncio.sleep(1)
        assert counter[0] <= 3 * len(listener.frames)


async def test_after_a_pause_the_timestamp_is_the_time() -> None:
    """RTP time tracks wall time across ten silent minutes; the packet says that it resumes."""
    source = AudioSource()
    await asyncio.sleep(3)
    async with listening(source, epoch=1.0) as listener:
        source.try_push(audio(40))
        await asyncio.sleep(600)
        source.try_push(audio(40))
        await asyncio.sleep(1)
    # What came in one push lies before the moment of the push.
    assert listener.timestamps == [2 * RATE - FRAME, 2 * RATE, 602 * RATE - FRAME, 602 * RATE]
    assert [timed.resumed for timed in listener.frames] == [True, False, True, False]


async def test_a_tail_is_padded_after_its_grace() -> None:
    """The rest of an utterance is played within 20 ms, filled up with silence."""
    source = AudioSource()
    async with listening(source) as listener:
        await asyncio.sleep(1)
        source.try_push(audio(25, 7))
        await asyncio.sleep(1)
        source.try_push(audio(20, 8))
        await asyncio.sleep(1)
    assert listener.times == pytest.approx([1.0 + SETTLE, 1.0 + TAIL_GRACE, 2.0 + SETTLE])
    assert listener.sound == [7] * 1200 + [0] * 720 + [8] * 960
    assert source.statistics() == (2160, 2160, 0, 0, 720)


async def test_a_flushed_tail_leaves_when_it_is_due() -> None:
    """`flush` saves the grace, and holds for what is queued alone."""
    source = AudioSource()
    async with listening(source) as listener:
        source.try_push(audio(5))
        source.flush()
        await asyncio.sleep(2 * SETTLE)
        assert listener.times == [SETTLE]
        await asyncio.sleep(1)
        source.try_push(audio(5))
        await asyncio.sleep(0.01)
        assert len(listener.times) == 1, "the next utterance has a grace of its own"
        source.flush()
        await asyncio.sleep(2 * SETTLE)
        assert len(listener.times) == 2


@pytest.mark.parametrize("chunk_ms", [1, 5, 10, 15])
async def test_chunks_in_real_time_join_without_padding(chunk_ms: int) -> None:
    """Chunks shorter than a packet that come in real time are one unbroken sound."""
    source = AudioSource()
    count = 600 // chunk_ms
    async with listening(source) as listener:
        for number in range(count):
            source.try_push(audio(chunk_ms, number + 1))
            await asyncio.sleep(chunk_ms / 1000)
        source.flush()
        await asyncio.sleep(0.1)
    expected = np.repeat(np.arange(count) + 1, chunk_ms * 48).tolist()
    assert listener.sound == expected
    assert source.statistics().padded == 0
    assert listener.timestamps == [listener.timestamps[0] + k * FRAME for k in range(30)]


@pytest.mark.parametrize("stall_ms", [10, 50, 90])
async def test_a_short_stall_is_caught_up(stall_ms: int) -> None:
    """A producer that makes up for its stall loses nothing and adds no delay for good."""
    source = AudioSource()
    async with listening(source) as listener:
        for number in range(100):
            if number == 50:
                await asyncio.sleep(stall_ms / 1000)
            source.try_push(audio(20, number + 1))
            if not 50 <= number <= 50 + stall_ms // 20:  # it makes up for what it missed
                await asyncio.sleep(0.02)
        await asyncio.sleep(1)
    assert listener.timestamps == [k * FRAME for k in range(100)]
    lateness = [
        at - stamp / RATE for at, stamp in zip(listener.times, listener.timestamps, strict=True)
    ]
    assert max(lateness) <= stall_ms / 1000 + SETTLE + 1e-6
    assert max(lateness[70:]) < 0.02
    assert sum(timed.resumed for timed in listener.frames) == 1


async def test_an_utterance_is_held_to_the_clock_after_a_pause() -> None:
    """What is ahead of time leaves one frame apart; its timestamps jump over the pause."""
    source = AudioSource()
    async with listening(source) as listener:
        source.try_push(audio(300))
        await asyncio.sleep(1.0)
        source.try_push(audio(240))
        await asyncio.sleep(1)
    assert listener.timestamps == [k * FRAME for k in range(15)] + [
        RATE + k * FRAME for k in range(12)
    ]
    assert listener.times == pytest.approx(
        [k * 0.02 for k in range(15)] + [1 + k * 0.02 for k in range(12)]
    )


async def test_clear_queue_takes_effect_by_the_next_packet() -> None:
    """Nothing that was queued before is heard after, at whatever moment it is cleared."""
    for offset in (0.0, 0.001, 0.01, 0.0199, 0.02):
        source = AudioSource()
        start = asyncio.get_running_loop().time()
        async with listening(source, start) as listener:
            source.try_push(audio(1000, 1))
            await asyncio.sleep(0.1 + offset)
            source.clear_queue()
            cleared_at = len(listener.frames)
            source.try_push(audio(100, 2))
            await asyncio.sleep(1)
        assert {int(s) for timed in listener.frames[cleared_at:] for s in timed.data[0]} == {2}
        ledger = source.statistics()
        assert ledger.pushed == 52800 == ledger.played + ledger.cleared
        assert listener.times[cleared_at] - start <= 0.1 + offset + 0.02 + 1e-9


async def test_a_cleared_queue_is_silent() -> None:
    """Where nothing follows, no packet follows."""
    source = AudioSource()
    async with listening(source) as listener:
        source.try_push(audio(1000))
        await asyncio.sleep(0.05)
        source.clear_queue()
        count = len(listener.frames)
        await asyncio.sleep(10)
        assert len(listener.frames) == count == 3


async def test_producers_are_held_back_to_real_time() -> None:
    """`capture_frame` in a loop takes as long as the audio lasts, less what the queue holds."""
    source = AudioSource(queue_size_ms=100)
    loop = asyncio.get_running_loop()
    async with listening(source) as listener:
        for _ in range(250):
            await source.capture_frame(audio(20))
            assert source.queued_duration <= 0.12
        assert loop.time() == pytest.approx(5.0 - 0.12, abs=0.021)
        await source.wait_for_playout()
    assert len(listener.frames) == 250


async def test_ten_minutes_of_turns_track_the_clock() -> None:
    """Speech, tails and pauses for ten minutes: no timestamp strays from the clock."""
    random = np.random.default_rng(4)
    source = AudioSource(queue_size_ms=500)
    loop = asyncio.get_running_loop()
    pushed = 0
    async with listening(source) as listener:
        while loop.time() < 600:
            for _ in range(int(random.integers(1, 60))):
                frame = audio(float(random.integers(1, 120)))
                pushed += frame.samples_per_channel
                await source.capture_frame(frame)
            await asyncio.sleep(float(random.choice([0.0, 0.03, 0.09, 0.5, 10.0])))
        await source.wait_for_playout()
    assert len(listener.frames) > 5_000
    for at, timed in zip(listener.times, listener.frames, strict=True):
        assert -TOLERANCE - 1e-3 <= at - timed.timestamp / RATE <= MAX_BURST + MAX_GRACE
    for before, after in itertools.pairwise(listener.frames):
        step = after.timestamp - before.timestamp
        assert step == FRAME or (after.resumed and step > FRAME)
    ledger = source.statistics()
    assert ledger.pushed == ledger.played == pushed
    assert ledger.played + ledger.padded == FRAME * len(listener.frames)


async def test_stereo_and_other_rates_keep_their_shape() -> None:
    """Packets are 20 ms of the source's own rate and layout."""
    source = AudioSource(44100, 2)
    async with listening(source) as listener:
        source.try_push(AudioFrame(44100, np.array([[1] * 1764, [2] * 1764], np.int16)))
        await asyncio.sleep(1)
    assert [timed.data.shape for timed in listener.frames] == [(2, 882)] * 2
    assert listener.frames[1].data[:, 0].tolist() == [1, 2]
    assert listener.timestamps == [0, 882]


async def test_closing_the_source_ends_the_track_at_once() -> None:
    """A track that waits for its next packet ends with its source, and stays so."""
    source = AudioSource()
    track = LocalAudioTrack(source, SessionClock(0.0))
    loop = asyncio.get_running_loop()
    source.try_push(audio(300))
    await track.next_frame()
    parked = asyncio.create_task(track.next_frame())
    await asyncio.sleep(0.001)
    await source.aclose()
    for _ in range(2):
        with pytest.raises(EndOfStreamError):
            await (parked if not parked.done() else track.next_frame())
    assert loop.time() == pytest.approx(0.001)
