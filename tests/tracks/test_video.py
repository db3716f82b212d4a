"""Video: the latest picture, at once, in both directions."""

from __future__ import annotations

import asyncio

import av
import numpy as np
import pytest

from fastrtc_core import EndOfStreamError, SourceClosedError, VideoSource, VideoStream
from fastrtc_core.media.session_clock import SessionClock
from fastrtc_core.tracks import LocalVideoTrack, RemoteVideoTrack, VideoFrameEvent

pytestmark = pytest.mark.virtual_clock


def picture(number: int = 0) -> av.VideoFrame:
    """A picture that is told apart by its brightness."""
    return av.VideoFrame.from_ndarray(np.full((4, 4, 3), number, np.uint8), format="bgr24")


def values(*frames: av.VideoFrame) -> list[int]:
    """The brightness of each. Streams yield frame objects of their own, with the same pixels."""
    return [int(frame.to_ndarray()[0, 0, 0]) for frame in frames]


# Coming in


async def test_a_slow_reader_gets_the_latest() -> None:
    """A stream keeps the latest picture and counts those that it replaced."""
    track = RemoteVideoTrack()
    stream = VideoStream(track)
    pictures = [picture(k) for k in range(5)]
    for frame in pictures:
        track.push(frame)
    assert values(await stream.read()) == [4]
    assert (stream.dropped, track.frames) == (4, 5)


async def test_a_stream_may_queue_a_few() -> None:
    """With a capacity, that many pictures wait in order."""
    track = RemoteVideoTrack()
    stream = VideoStream(track, capacity=3)
    pictures = [picture(k) for k in range(5)]
    for frame in pictures:
        track.push(frame)
    track.end()
    events = [event async for event in stream]
    assert all(type(event) is VideoFrameEvent for event in events)
    assert values(*(event.frame for event in events)) == [2, 3, 4]
    assert stream.dropped == 2


async def test_video_streams_are_independent() -> None:
    """Each of two streams gets each picture."""
    track = RemoteVideoTrack()
    one, two = VideoStream(track), VideoStream(track, capacity=2)
    frame = picture(7)
    track.push(frame)
    assert values(await one.read()) == [7]
    track.push(frame)
    assert (one.dropped, two.dropped, len(two._ring)) == (0, 0, 2)


async def test_aclose_wakes_a_parked_video_reader() -> None:
    """A reader that waits for a picture ends at once when its stream is closed."""
    track = RemoteVideoTrack()
    stream = VideoStream(track)
    reader = asyncio.create_task(stream.read())
    await asyncio.sleep(1)
    await stream.aclose()
    await stream.aclose()
    with pytest.raises(EndOfStreamError):
        await reader
    assert asyncio.get_running_loop().time() == 1
    assert not track.readers


async def test_a_video_stream_ends_with_its_track() -> None:
    """Readers of an ended track stop, those that come late too, and two at once are refused."""
    track = RemoteVideoTrack()
    async with VideoStream(track) as stream:
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already reading"):
            await stream.read()
        track.end()
        with pytest.raises(StopAsyncIteration):
            await reader
    assert [event async for event in VideoStream(track)] == []


# Going out


async def test_a_picture_is_sent_as_soon_as_it_is_there() -> None:
    """The track adds no delay and no rhythm of its own; the time is since the epoch."""
    source = VideoSource()
    track = LocalVideoTrack(source, SessionClock(2.0))
    loop = asyncio.get_running_loop()
    await asyncio.sleep(5)
    frame = picture()
    loop.call_later(1.25, source.capture_frame, frame)
    sent = await track.next_frame()
    assert sent.frame is frame
    assert sent.time == pytest.approx(4.25)
    assert loop.time() == pytest.approx(6.25)


async def test_a_new_picture_replaces_one_that_was_not_sent() -> None:
    """A slow network sees the latest picture; those in between are counted, not queued."""
    source = VideoSource()
    track = LocalVideoTrack(source, SessionClock(0.0))
    pictures = [picture(k) for k in range(4)]
    for frame in pictures:
        source.capture_frame(frame)
    assert (await track.next_frame()).frame is pictures[-1]
    assert source.replaced == 3
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(track.next_frame(), 1)


async def test_times_follow_the_clock() -> None:
    """Pictures carry the time at which they left, whatever the gaps."""
    source = VideoSource()
    track = LocalVideoTrack(source, SessionClock(0.0))
    times = []
    for gap in (0.0, 0.04, 0.04, 600.0, 0.01):
        await asyncio.sleep(gap)
        source.capture_frame(picture())
        times.append((await track.next_frame()).time)
    assert times == pytest.approx([0.0, 0.04, 0.08, 600.08, 600.09])


async def test_playout_ends_when_the_picture_is_taken() -> None:
    """`wait_for_playout` returns when nothing waits: sent, cleared, or never there."""
    source = VideoSource()
    track = LocalVideoTrack(source, SessionClock(0.0))
    await source.wait_for_playout()
    for finish in (track.next_frame, source.clear_queue):
        source.capture_frame(picture())
        waiting = asyncio.create_task(source.wait_for_playout())
        await asyncio.sleep(1)
        assert not waiting.done()
        result = finish()
        if asyncio.iscoroutine(result):
            await result
        await waiting


async def test_a_cleared_picture_is_not_sent() -> None:
    """What was captured before `clear_queue` is never seen."""
    source = VideoSource()
    track = LocalVideoTrack(source, SessionClock(0.0))
    source.capture_frame(picture(1))
    source.clear_queue()
    later = picture(2)
    source.capture_frame(later)
    assert (await track.next_frame()).frame is later
    assert source.replaced == 0


async def test_closing_wakes_everyone() -> None:
    """A closed source ends its track and its waiters, and takes no more pictures."""
    source = VideoSource()
    track = LocalVideoTrack(source, SessionClock(0.0))
    parked = asyncio.create_task(track.next_frame())
    await asyncio.sleep(0)
    await source.aclose()
    await source.aclose()
    assert source.closed
    with pytest.raises(EndOfStreamError):
        await parked
    with pytest.raises(EndOfStreamError):
        await track.next_frame()
    with pytest.raises(SourceClosedError):
        source.capture_frame(picture())
    await source.wait_for_playout()


async def test_a_picture_that_waits_when_the_source_closes_is_discarded() -> None:
    """After the end nothing is sent, and who waits for the playout goes on."""
    source = VideoSource()
    source.capture_frame(picture())
    waiting = asyncio.create_task(source.wait_for_playout())
    await asyncio.sleep(0)
    await source.aclose()
    await waiting
    with pytest.raises(EndOfStreamError):
        await LocalVideoTrack(source, SessionClock(0.0)).next_frame()
