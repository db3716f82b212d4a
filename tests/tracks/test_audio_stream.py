"""Audio streams: iterators over what comes in, each independent of the others."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, AudioStream, ConfigurationError, EndOfStreamError
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.testing.signals import frames_of
from fastrtc_core.tracks import AudioFrameEvent, RemoteAudioTrack

pytestmark = pytest.mark.virtual_clock


def numbered(number: int) -> AudioFrame:
    """20 ms at 48 kHz, every sample the same number."""
    return AudioFrame(48000, np.full((1, 960), number, np.int16))


def numbers(frames: list[AudioFrame]) -> list[int]:
    return [int(frame.data[0, 0]) for frame in frames]


async def rest_of(stream: AudioStream) -> list[AudioFrame]:
    return [event.frame async for event in stream]


async def test_frames_are_yielded_in_order() -> None:
    """Iteration yields an event for each frame and stops with the track."""
    track = RemoteAudioTrack()
    stream = AudioStream(track)
    for number in range(5):
        track.push(numbered(number))
    track.end()
    events = [event async for event in stream]
    assert all(type(event) is AudioFrameEvent for event in events)
    assert numbers([event.frame for event in events]) == [0, 1, 2, 3, 4]
    assert (stream.dropped, track.frames) == (0, 5)


async def test_buffering_starts_at_construction() -> None:
    """What came before is not replayed; what comes before the first read is kept."""
    track = RemoteAudioTrack()
    track.push(numbered(1))
    stream = AudioStream(track)
    track.push(numbered(2))
    track.end()
    assert numbers(await rest_of(stream)) == [2]


@pytest.mark.parametrize(("capacity", "kept"), [(1, 1), (3, 3), (0, 50)])
async def test_a_slow_reader_loses_the_oldest(capacity: int, kept: int) -> None:
    """A stream holds its capacity, one second by default; drops are counted."""
    track = RemoteAudioTrack()
    stream = AudioStream(track, capacity=capacity)
    for number in range(60):
        track.push(numbered(number))
    track.end()
    assert numbers(await rest_of(stream)) == list(range(60 - kept, 60))
    assert stream.dropped == 60 - kept


async def test_streams_are_independent() -> None:
    """Each of many readers gets every frame; one that never reads delays no other."""
    track = RemoteAudioTrack()
    fast, slow, idle = (AudioStream(track, capacity=capacity) for capacity in (50, 5, 1))
    other_rate = AudioStream(track, sample_rate=16000, num_channels=2)
    read = asyncio.create_task(rest_of(fast))
    for number in range(20):
        track.push(numbered(number))
        await asyncio.sleep(0)
    track.end()
    assert numbers(await read) == list(range(20))
    assert numbers(await rest_of(slow)) == list(range(15, 20))
    assert [frame.data.shape for frame in await rest_of(other_rate)] == [(2, 320)] * 21
    assert (fast.dropped, slow.dropped, idle.dropped) == (0, 15, 19)


async def test_a_reader_that_works_in_place_harms_no_other() -> None:
    """Streams share no memory: what one does to its frame, the other does not hear."""
    track = RemoteAudioTrack()
    one, two = AudioStream(track), AudioStream(track)
    track.push(numbered(3))
    (await one.read()).data[:] = 99
    assert numbers([await two.read()]) == [3]


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize("num_channels", [1, 2])
async def test_a_stream_has_the_rate_and_layout_that_was_asked_for(
    sample_rate: int, num_channels: int
) -> None:
    """Whatever comes in, frames of 20 ms in the reader's own format come out, clean."""
    track = RemoteAudioTrack()
    stream = AudioStream(track, capacity=100, sample_rate=sample_rate, num_channels=num_channels)
    for frame in frames_of(tone(1000, 1.0, 48000, num_channels=2), 30):
        track.push(frame)
    track.end()
    frames = await rest_of(stream)
    assert {frame.sample_rate for frame in frames} == {sample_rate}
    assert {frame.data.shape for frame in frames} == {(num_channels, sample_rate // 50)}
    sound = np.concatenate([frame.data for frame in frames], axis=1)
    for channel in sound:
        assert fit_sine(channel[sample_rate // 20 : sample_rate], 1000, sample_rate).snr > 60


async def test_the_last_short_frame_is_padded() -> None:
    """The end of a track is not lost, even if it is less than 20 ms."""
    track = RemoteAudioTrack()
    stream = AudioStream(track)
    track.push(AudioFrame(48000, np.full((1, 1000), 7, np.int16)))
    track.end()
    first, last = await rest_of(stream)
    assert first.data.tolist() == [[7] * 960]
    assert last.data.tolist() == [[7] * 40 + [0] * 920]


async def test_a_stream_of_an_ended_track_is_empty() -> None:
    """A stream that comes too late ends at once instead of waiting for ever."""
    track = RemoteAudioTrack()
    track.end()
    track.end()
    assert track.ended
    assert await rest_of(AudioStream(track)) == []


async def test_a_read_past_the_end_says_so() -> None:
    """`read` raises `EndOfStreamError`, again and again."""
    track = RemoteAudioTrack()
    stream = AudioStream(track)
    track.end()
    for _ in range(2):
        with pytest.raises(EndOfStreamError):
            await stream.read()


async def test_the_end_of_a_track_wakes_its_readers() -> None:
    """A reader that waits when the track ends stops."""
    track = RemoteAudioTrack()
    reader = asyncio.create_task(rest_of(AudioStream(track)))
    await asyncio.sleep(0)
    track.end()
    assert await reader == []


async def test_two_readers_of_one_stream_are_refused() -> None:
    """Two tasks on one stream raise instead of taking turns; two streams are what they need."""
    track = RemoteAudioTrack()
    stream = AudioStream(track)
    first = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already reading"):
        await stream.read()
    track.push(numbered(1))
    assert numbers([await first]) == [1]


async def test_aclose_wakes_a_parked_reader_at_once() -> None:
    """Closing from another task ends a read that waits, in no time."""
    loop = asyncio.get_running_loop()
    stream = AudioStream(RemoteAudioTrack())
    reader = asyncio.create_task(rest_of(stream))
    await asyncio.sleep(1)
    await stream.aclose()
    assert await reader == []
    assert loop.time() == 1


async def test_aclose_is_idempotent_and_detaches() -> None:
    """A closed stream keeps nothing, gets nothing more, and may be closed again."""
    track = RemoteAudioTrack()
    stream = AudioStream(track)
    track.push(numbered(1))
    await stream.aclose()
    await stream.aclose()
    track.push(numbered(2))
    with pytest.raises(EndOfStreamError):
        await stream.read()
    assert not track.readers


async def test_a_stream_is_closed_by_its_context() -> None:
    """`async with` detaches the stream, whatever happens in it."""
    track = RemoteAudioTrack()
    with pytest.raises(ZeroDivisionError):
        async with AudioStream(track):
            raise ZeroDivisionError
    assert not track.readers


async def test_one_stream_closed_leaves_the_others() -> None:
    """Closing one of two streams costs the other nothing."""
    track = RemoteAudioTrack()
    one, two = AudioStream(track), AudioStream(track)
    await one.aclose()
    track.push(numbered(4))
    assert numbers([await two.read()]) == [4]


@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate": 11025},
        {"sample_rate": 0},
        {"num_channels": 0},
        {"num_channels": 3},
        {"capacity": -1},
    ],
)
async def test_arguments_that_make_no_sense_are_refused(options: Any) -> None:
    """They are refused where the stream is made, not where a frame arrives."""
    track = RemoteAudioTrack()
    with pytest.raises(ConfigurationError):
        AudioStream(track, **options)
    assert not track.readers
