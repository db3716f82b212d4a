"""Encoded pictures on their way out of this process."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core import EndOfStreamError
from fastrtc_core.media.video_frames import EncodedVideoFrame
from fastrtc_core.webrtc.encoded import ASK_AGAIN, MAX_PICTURES, MAX_WAIT, EncodedVideo


def picture(number: int, *, keyframe: bool = False) -> EncodedVideoFrame:
    return EncodedVideoFrame("video/vp8", b"%d" % number, 3000 * number, keyframe)


async def test_what_is_not_sent_in_time_is_dropped_up_to_the_next_keyframe() -> None:
    """Every drop is counted, and a keyframe is asked for; what is left can be decoded."""
    track = EncodedVideo()
    asked: list[None] = []
    track.keyframe_requested = lambda: asked.append(None)
    for number in range(MAX_PICTURES):
        track.push(picture(number))
    assert (track.dropped, len(asked)) == (0, 0)
    for number in range(MAX_PICTURES, MAX_PICTURES + 5):
        track.push(picture(number))
    assert (track.dropped, len(asked)) == (MAX_PICTURES + 5, 1)
    for number in range(100, 103):
        track.push(picture(number, keyframe=number == 100))
    assert (track.dropped, len(asked)) == (MAX_PICTURES + 5, 1)
    assert [(await track.next_frame()).data for _ in range(3)] == [b"100", b"101", b"102"]


async def test_a_keyframe_that_finds_no_room_begins_anew() -> None:
    track = EncodedVideo()
    for number in range(MAX_PICTURES):
        track.push(picture(number))
    track.push(picture(99, keyframe=True))
    assert track.dropped == MAX_PICTURES
    assert (await track.next_frame()).data == b"99"
    track.end()
    track.push(picture(100))
    with pytest.raises(EndOfStreamError):
        await track.next_frame()


async def test_what_waits_for_too_long_is_dropped_as_well() -> None:
    """A line is too narrow. A keyframe is asked for, but not often: it would fill the line again.

    What is read in time stays.
    """
    track = EncodedVideo()
    asked: list[float] = []
    loop = asyncio.get_running_loop()
    track.keyframe_requested = lambda: asked.append(loop.time())
    for number in range(10):
        track.push(picture(number))
        assert (await track.next_frame()).data == b"%d" % number
        await asyncio.sleep(MAX_WAIT / 2)
    for number in range(10, 13):
        track.push(picture(number))
        await asyncio.sleep(0.45 * MAX_WAIT)
    assert (track.dropped, asked) == (0, [])
    while len(asked) < 3:
        track.push(picture(13))
        await asyncio.sleep(0.1)
    assert [later - asked[0] for later in asked] == pytest.approx(
        [0, ASK_AGAIN, 2 * ASK_AGAIN], abs=0.25
    )
    track.push(picture(99, keyframe=True))
    assert (await track.next_frame()).data == b"99"
