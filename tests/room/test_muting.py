"""Who mutes is heard by nobody, and all are told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioStream, ConfigurationError
from fastrtc_core.channel import Channel, RtcEngine, RtcOptions
from fastrtc_core.cluster.remote_member import RemoteMember
from fastrtc_core.testing import tone

from ..cluster.support import servers, settle
from ..webrtc.support import eventually
from .test_browser_member import events, join

pytestmark = pytest.mark.virtual_clock

EVENTS = ("track_muted", "track_unmuted", "user_mute_audio", "user_mute_video")


def listening(channel: Channel) -> list[tuple[Any, ...]]:
    """What a member is told of muting, from now on."""
    told: list[tuple[Any, ...]] = []

    def noting(event: str) -> Any:
        async def note(*details: Any) -> None:  # sync ones have a thread each, in no order
            told.append((event, *details))

        return note

    for event in EVENTS:
        channel.on(event, noting(event))
    return told


async def heard(stream: AudioStream, seconds: float) -> list[Any]:
    """The loud frames that come within so long."""
    frames: list[Any] = []

    async def read() -> None:
        while True:
            frame = (await stream.read()).data
            if np.abs(frame).max() > 100:
                frames.append(frame)

    reading = asyncio.create_task(read())
    await asyncio.sleep(seconds)
    reading.cancel()
    return frames


async def test_all_are_told_who_mutes_on_every_server() -> None:
    """In LiveKit's words and in Agora's; who comes later learns it."""
    async with servers(2) as two:
        ada, near, far = await two.join(0, 1), await two.join(0, 2), await two.join(1, 3)
        await settle()
        lists = [listening(channel) for channel in (ada, near, far)]
        ada.mute()
        ada.mute("microphone")
        await settle()
        told = [("track_muted", 1, "microphone"), ("user_mute_audio", 1, True)]
        assert lists == [told[:1], told, told]
        assert near.remote_users[1].muted == far.remote_users[1].muted == ["microphone"]
        for server in (0, 1):
            late = two[server].create_channel(RtcOptions(channel_name="room", uid=10 + server))
            later = listening(late)
            await late.connect()
            await settle()
            assert later == told
            assert late.remote_users[1].muted == ["microphone"]
        for one in lists:
            one.clear()
        ada.unmute()
        await settle()
        told = [("track_unmuted", 1, "microphone"), ("user_mute_audio", 1, False)]
        assert lists == [told[:1], told, told]
        assert far.remote_users[1].muted == []
        far.mute("camera")
        await settle()
        assert lists[0][1:] == [("track_muted", 3, "camera"), ("user_mute_video", 3, True)]
        with pytest.raises(ConfigurationError, match="camera"):
            ada.mute("screen")  # type: ignore[arg-type]
        await ada.disconnect()
        with pytest.raises(ConfigurationError, match="not connected"):
            ada.mute()


async def test_who_is_muted_is_not_heard() -> None:
    """Neither here nor on another server; what is said meanwhile is lost."""
    async with servers(2) as two:
        ada, near, far = await two.join(0, 1), await two.join(0, 2), await two.join(1, 3)
        await settle()
        ada.mute()
        await ada.push_audio_frame(tone(500, 0.4, 24000))
        streams = [near.get_audio_frames(1), far.get_audio_frames(1)]
        assert await asyncio.gather(*(heard(stream, 0.8) for stream in streams)) == [[], []]
        ada.unmute()
        await ada.push_audio_frame(tone(500, 0.4, 24000))
        after = await asyncio.gather(*(heard(stream, 0.8) for stream in streams))
        assert min(map(len, after)) >= 18


async def test_a_browser_mutes() -> None:
    """It says so, and is told of others; its packets are not sent on."""
    async with servers(2) as two, AsyncExitStack() as stack:
        far = await two.join(1, 3)
        told = listening(far)
        page = await join(stack, two[0].accept, uid=1)
        await page.send({"event": "mute", "data": "microphone"})
        await eventually(lambda: len(told) == 2, "the note")
        assert told == [("track_muted", 1, "microphone"), ("user_mute_audio", 1, True)]
        assert page.audio_source is not None
        await page.audio_source.capture_frame(tone(500, 0.3, 48000))
        assert await heard(far.get_audio_frames(1), 0.6) == []
        member = two[1].room("room").members[1]
        assert isinstance(member, RemoteMember)
        assert not member.snapshot().decodes  # no packet has come
        far.mute()
        await eventually(lambda: len(events(page, "track_muted")) == 2, "its own and the other")
        assert events(page, "track_muted")[1] == {
            "event": "track_muted",
            "uid": 3,
            "source": "microphone",
        }
        late = await join(stack, two[1].accept, uid=4)
        await settle()
        assert events(late, "joined")[0]["users"][0]["muted"] == ["microphone"]
        await page.send({"event": "unmute", "data": "microphone"})
        await eventually(lambda: told[-1] == ("user_mute_audio", 1, False), "the note")
        await page.audio_source.capture_frame(tone(500, 0.3, 48000))
        assert await heard(far.get_audio_frames(1), 0.6)


async def test_a_muted_camera_is_seen_by_nobody() -> None:
    """Whoever saw it sees nobody, and sees it again afterwards."""
    import av

    async with RtcEngine("app") as engine:
        ada = engine.create_channel(RtcOptions(channel_name="room", uid=1))
        await ada.connect()
        room = engine.room("room")
        ada.mute("camera")
        ada.push_video_frame(av.VideoFrame(64, 64, "yuv420p"))
        assert not room.video.cameras
        ada.unmute("camera")
        assert room.video.cameras == (1,)
        ada.mute("camera")
        assert not room.video.cameras
