"""Cameras that cross from server to server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from fastrtc_core.cluster.cameras import RelayedVideo
from fastrtc_core.cluster.wire import Picture, pack_picture, unpack
from fastrtc_core.media.video_frames import EncodedVideoFrame

from ..room.cameras import filming, join
from ..room.test_room_video import codecs_counted, incoming
from ..webrtc.support import eventually
from .support import ROOM, servers, settle


async def test_a_camera_is_seen_on_another_server() -> None:
    """Both ways, forwarded without transcoding; and it is sent only while somebody looks."""
    async with servers(3) as three, AsyncExitStack() as stack:
        ada = await join(stack, three[0].accept, 1)
        bob = await join(stack, three[1].accept, 2)
        await asyncio.gather(ada.sees(2, 8), bob.sees(1, 8))
        cleo = await join(stack, three[2].accept, 3)
        await cleo.sees(1, 8)
        await bob.client.send({"event": "choose_video", "data": "3"})
        await bob.sees(3, 8)
        member: Any = three[1].room(ROOM).members[1]

        def next_packet() -> int:
            return int(member.camera._next)

        await settle(0.5)
        assert member.camera.tap is not None
        assert next_packet() >= 0
        await ada.client.send({"event": "choose_video", "data": "3"})
        await cleo.client.send({"event": "choose_video", "data": "2"})
        await asyncio.gather(ada.sees(3, 8), cleo.sees(2, 8))
        await settle(1.5)
        assert three[0].snapshot().channels[ROOM].encoders == 0
        sent = next_packet()
        await settle(1.0)
        assert next_packet() == sent, "nobody looks at Ada, and she is not sent"
        assert incoming(three[2], 3).incomplete == 0


async def test_it_is_not_transcoded() -> None:
    """What the servers decode and encode is nothing."""
    async with servers(2) as two, AsyncExitStack() as stack:
        ada = await join(stack, two[0].accept, 1)
        bob = await join(stack, two[1].accept, 2)
        await asyncio.gather(ada.sees(2, 8), bob.sees(1, 8))
        seen = len(ada.seen) + len(bob.seen)
        with codecs_counted() as calls:
            await settle(2.0)
        # The clients encode what they film and decode what they see: one each per picture.
        seen = len(ada.seen) + len(bob.seen) - seen
        assert calls["decode"] <= seen + 4
        assert all(engine.snapshot().channels[ROOM].encoders == 0 for engine in two)


async def test_pictures_of_a_process_are_encoded_where_they_are() -> None:
    """And only while somebody on another server looks."""
    async with servers(2) as two, AsyncExitStack() as stack:
        agent = await two.join(0, 9)
        stack.enter_context(filming(9, agent.push_video_frame))
        bob = await join(stack, two[1].accept, 2)
        await bob.sees(9, 8)
        assert two[0].snapshot().channels[ROOM].encoders == 1
        await bob.client.aclose()
        await eventually(
            lambda: not two[0].snapshot().channels[ROOM].encoders, "the end of encoding", 8
        )


async def test_a_lost_picture_is_noticed() -> None:
    """Nothing more is handed on before a keyframe, which is asked for."""
    asked: list[int] = []
    got: list[int] = []
    camera = RelayedVideo(lambda: asked.append(1))
    camera.tap = lambda frame: got.append(frame.timestamp)
    for number, keyframe in [(0, False), (1, True), (2, False), (4, False), (5, False), (6, True)]:
        camera.take(number, EncodedVideoFrame("video/vp8", b"", number, keyframe))
    assert got == [1, 2, 6]
    assert len(asked) == 1, "the second request waits for its time, and the keyframe comes first"
    camera.close()


def test_a_picture_as_bytes() -> None:
    """It comes out as it went in."""
    picture = Picture(7, 65535, EncodedVideoFrame("video/h264", b"\x00\xff" * 9, 2**32 - 1, True))
    assert unpack(pack_picture(b"8 bytes!", picture)) == (b"8 bytes!", picture)
