"""Audio of any length is played, and the event loop is held for no longer than a part of it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, AudioSource, SourceClosedError
from fastrtc_core.frames import PART_SAMPLES, EmittedAudio, read_audio
from fastrtc_core.media import converter
from fastrtc_core.testing import InProcessPeer, connect, tone
from fastrtc_core.tracks.audio_source import AHEAD

from ..inside import pull
from .handlers import Recording, heard_samples

pytestmark = pytest.mark.virtual_clock

RATE = 24000
HOUR = np.broadcast_to(np.float32(0.5), (1, 3600 * RATE))
"""86 million samples that take no memory before they are converted."""


class Turns:
    """Counts the turns of the event loop, and the most samples that were converted in one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = self.samples = 0
        self.turns = 0
        push = converter.Converter.push

        def counting(this: converter.Converter, frame: AudioFrame) -> Any:
            self.samples += frame.samples_per_channel
            self.most = max(self.most, self.samples)
            return push(this, frame)

        monkeypatch.setattr(converter.Converter, "push", counting)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1
            self.samples = 0


def handler_of(peer: InProcessPeer) -> Recording:
    handler = peer.session.handler
    assert isinstance(handler, Recording)
    return handler


async def for_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("way", ["emit", "say"])
async def test_the_loop_has_its_turn_between_two_parts(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour at once, from a handler or said; a minute of it waits, and no more."""
    turns = Turns(monkeypatch)
    async with connect(Recording(output_sample_rate=RATE)) as peer:
        if way == "emit":
            handler_of(peer).to_emit.put_nowait((RATE, HOUR))
        else:
            peer.session.handler.say((RATE, HOUR))
        counting = asyncio.create_task(turns.run())
        await for_turns(2000)
        counting.cancel()
        local = peer.session.local_audio
        assert local is not None
        queued = local.source.queued_duration
        assert queued == pytest.approx(AHEAD if way == "emit" else 0.5, abs=0.6)
        # Two: the first part is admitted while the second shows that there are more.
        assert 0 < turns.most <= 2 * PART_SAMPLES
        handler_of(peer).clear_queue()
        before = turns.most
        await for_turns(100)
        assert (local.source.queued_duration, turns.most) == (0, before)


async def test_what_comes_after_a_long_frame_is_played_after_it() -> None:
    """In parts or not: not a sample is lost, doubled, or in the wrong place."""
    long = np.arange(3 * RATE, dtype=np.int16) % 30000
    after = np.full(RATE // 5, -7, np.int16)
    async with connect(Recording(output_sample_rate=RATE)) as peer:
        handler = handler_of(peer)
        handler.to_emit.put_nowait((RATE, long))
        handler.to_emit.put_nowait((RATE, after))
        await asyncio.sleep(4)
        assert np.array_equal(heard_samples(peer.heard), np.concatenate([long, after]))


async def test_another_rate_sounds_the_same_in_parts() -> None:
    """The resampler goes on from one part to the next."""
    from fastrtc_core.testing import fit_sine

    async with connect(Recording(output_sample_rate=48000)) as peer:
        handler_of(peer).to_emit.put_nowait(tone(500, 2.0, 22050))
        await asyncio.sleep(2.5)
        assert fit_sine(heard_samples(peer.heard)[2400:91200], 500, 48000).snr > 40


@pytest.mark.parametrize("rate", [1, 999, 768_001, 10**9])
async def test_an_absurd_rate_is_an_error_in_words(rate: int) -> None:
    """A frame of 1 Hz would be hours of sound; the next one is played."""
    async with connect(Recording(output_sample_rate=RATE)) as peer:
        handler_of(peer).to_emit.put_nowait((rate, np.zeros(48000, np.int16)))
        handler_of(peer).to_emit.put_nowait(tone(500, 0.1, RATE))
        await asyncio.sleep(0.5)
        (error,) = peer.of_type("error")
        assert f"{rate} Hz is out of range; use 1000 to 768000 Hz" in error
        assert len(peer.heard) == 5


async def test_parts_are_short_at_every_rate() -> None:
    """Half a second, and no more than 48,000 samples; what is odd about one is said in time."""
    for rate, longest in ((8000, 4000), (48000, 24000), (768000, PART_SAMPLES)):
        parts = list(read_audio((rate, np.zeros(2 * rate, np.float64))).parts())
        assert max(part.samples_per_channel for part in parts) == longest
        assert sum(part.samples_per_channel for part in parts) == 2 * rate
    interleaved = read_audio((RATE, np.arange(2 * RATE, dtype=np.int16), "stereo"))
    assert np.array_equal(
        np.concatenate([part.data for part in interleaved.parts()], axis=1),
        np.arange(2 * RATE, dtype=np.int16).reshape(-1, 2).T,
    )


class Parts:
    """Parts of one length, and how many of them were made."""

    def __init__(self, count: int, size: int = 4800, value: int = 1) -> None:
        self.made = 0
        self._count, self._size, self._value = count, size, value

    def __iter__(self) -> Any:
        for _ in range(self._count):
            self.made += 1
            yield np.full((1, self._size), self._value, np.int16)


async def test_a_source_takes_parts_as_one_frame() -> None:
    """What others push waits for the last part, and nothing is taken while it lasts."""
    source = AudioSource(48000, queue_size_ms=1000)
    taking = asyncio.create_task(source.capture_parts(Parts(5), ahead=0.0))
    await asyncio.sleep(0)
    assert not source.has_room
    other = asyncio.create_task(
        source.capture_frame(AudioFrame(48000, np.full((1, 480), 2, np.int16)))
    )
    await asyncio.gather(taking, other)
    pulled = pull(source, 5 * 4800 + 480)[0]
    assert np.array_equal(pulled, np.repeat([1, 2], [5 * 4800, 480]))
    assert source.has_room


async def test_parts_wait_for_room_beyond_what_may_be_ahead() -> None:
    """The producer is held back, and goes on as the queue is played."""
    source = AudioSource(48000, queue_size_ms=100)
    parts = Parts(30)
    taking = asyncio.create_task(source.capture_parts(parts, ahead=1.0))
    await for_turns(50)
    assert source.queued_duration == 1.0
    assert parts.made <= 12
    for _ in range(100):
        pull(source, 960)
        await asyncio.sleep(0)
    await taking
    assert parts.made == 30


@pytest.mark.parametrize("end", ["clear", "close", "cancel"])
@pytest.mark.parametrize("waits", [False, True])
async def test_parts_that_are_discarded_are_not_made(end: str, waits: bool) -> None:
    """Wherever the call stands: the next one is taken at once, and the ledger balances."""
    source = AudioSource(48000, queue_size_ms=100)
    if waits:
        source.try_push(AudioFrame(48000, np.zeros((1, 48000), np.int16)))
    parts = Parts(1000)
    taking = asyncio.create_task(source.capture_parts(parts, ahead=1.0))
    await for_turns(5)
    if end == "clear":
        source.clear_queue()
        source.try_push(AudioFrame(48000, np.zeros((1, 4800), np.int16)))
        await taking
        assert source.queued_duration == 0.1
    elif end == "close":
        await source.aclose()
        with pytest.raises(SourceClosedError):
            await taking
    else:
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        source.clear_queue()
        assert source.has_room
    assert parts.made < 10
    ledger = source.statistics()
    assert ledger.pushed == ledger.played + ledger.queued + ledger.cleared


async def test_a_part_that_cannot_be_made_lets_others_in() -> None:
    """What was queued before it is played, and the error is raised."""
    samples = np.zeros((1, 3 * RATE))
    samples[0, -1] = np.nan
    source = AudioSource(RATE)
    with pytest.raises(ValueError, match="NaN"):
        await source.capture_parts(part.data for part in EmittedAudio(RATE, samples).parts())
    assert source.queued_duration == 2.5
    source.clear_queue()
    assert source.has_room
