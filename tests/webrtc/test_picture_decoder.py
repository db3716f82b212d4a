"""Pictures are decoded in order on shared threads, and one that is damaged ends nothing."""

from __future__ import annotations

import asyncio
import threading

import av
import numpy as np
import pytest

from fastrtc_core import VideoOptions
from fastrtc_core.media.video_frames import EncodedVideoFrame
from fastrtc_core.webrtc.picture_decoder import PictureDecoder
from fastrtc_core.webrtc.video_encoders import PictureEncoder
from fastrtc_core.webrtc.workers import picture_workers

from .support import eventually


def encoded(codec: str, count: int, first: int = 0) -> list[EncodedVideoFrame]:
    encoder = PictureEncoder(codec, VideoOptions())
    frames = []
    for number in range(count):
        picture = np.full((48, 64, 3), 20 * number % 256, np.uint8)
        frame = encoder.encode(
            av.VideoFrame.from_ndarray(picture, "bgr24"),
            3000 * number,
            keyframe=number == 0,
        )
        assert frame is not None
        frames.append(frame._replace(timestamp=(first + frame.timestamp) % (1 << 32)))
    return frames


@pytest.mark.parametrize("codec", ["video/vp8", "video/h264"])
async def test_pictures_come_in_order_with_their_times(codec: str) -> None:
    """Each on the event loop, decoded elsewhere; the times go on where the timestamps wrap."""
    seen: list[tuple[int | None, threading.Thread]] = []
    decoder = PictureDecoder(
        lambda frame: seen.append((frame.pts, threading.current_thread())), lambda: None
    )
    for frame in encoded(codec, 10, first=(1 << 32) - 9000):
        decoder.push(frame)
    await eventually(lambda: len(seen) == 10, "ten pictures")
    assert [time for time, _ in seen] == [3000 * number for number in range(10)]
    assert {thread for _, thread in seen} == {threading.current_thread()}
    decoder.close()


@pytest.mark.virtual_clock
async def test_from_one_layer_to_another_the_time_goes_on() -> None:
    """Each layer counts from a beginning of its own."""
    seen: list[int | None] = []
    decoder = PictureDecoder(lambda frame: seen.append(frame.pts), lambda: None)
    layers = [
        [frame._replace(layer=name) for frame in encoded("video/vp8", 3, first=first)]
        for name, first in (("l", 7), ("h", 2_000_000_000), ("l", 4_000_000_000))
    ]
    for layer in layers:
        for frame in layer:
            decoder.push(frame)
            await asyncio.sleep(1 / 30)
    await eventually(lambda: len(seen) == 9, "nine pictures")
    assert [round((time or 0) / 3000) for time in seen] == list(range(9))
    decoder.close()


async def test_what_is_damaged_is_told_and_the_next_one_comes() -> None:
    """Also from one codec to another."""
    seen: list[av.VideoFrame] = []
    damaged: list[None] = []
    decoder = PictureDecoder(seen.append, lambda: damaged.append(None))
    first, second, third = encoded("video/vp8", 3)
    decoder.push(first)
    decoder.push(second._replace(data=b"\x00" * 20))
    decoder.push(third)
    decoder.push(encoded("video/h264", 1)[0])
    await eventually(lambda: len(seen) + decoder.failed == 4, "all four")
    assert (len(seen), decoder.failed, len(damaged)) == (3, 1, 1)
    decoder.close()


async def test_after_the_end_nothing_is_shown() -> None:
    seen: list[av.VideoFrame] = []
    decoder = PictureDecoder(seen.append, lambda: None)
    for frame in encoded("video/vp8", 5):
        decoder.push(frame)
    decoder.close()
    assert len(decoder) == 0
    await asyncio.get_running_loop().run_in_executor(picture_workers(), lambda: None)
    await asyncio.sleep(0.1)
    assert seen == []


async def test_all_get_their_turn() -> None:
    """Who has much to decode holds up nobody: each hands in one picture at a time."""
    order: list[str] = []
    busy = PictureDecoder(lambda frame: order.append("busy"), lambda: None)
    other = PictureDecoder(lambda frame: order.append("other"), lambda: None)
    many, few = encoded("video/vp8", 40), encoded("video/vp8", 3)
    for frame in many:
        busy.push(frame)
    for frame in few:
        other.push(frame)
    await eventually(lambda: len(order) == 43, "all pictures")
    assert "".join(name[0] for name in order).rindex("o") < 20
    busy.close()
    other.close()
