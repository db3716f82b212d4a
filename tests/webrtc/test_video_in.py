"""Video into a session over two real peers: prompt, whole, and through loss."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCRtpReceiver

from fastrtc_core import AsyncAudioVideoStreamHandler, Stream
from fastrtc_core.client import Client
from fastrtc_core.webrtc.internals.gate import gate_of

from ..inside import connection_of, peer_of
from .impairment import impaired_video
from .support import eventually, gone


class Viewer(AsyncAudioVideoStreamHandler):
    """Notes the shade of each picture, and when it came."""

    video_format = "gray"

    def __init__(self, seen: list[tuple[float, int]]) -> None:
        super().__init__()
        self.fps = 60
        self.seen = seen

    async def video_receive(self, frame: np.ndarray) -> None:
        self.seen.append((asyncio.get_running_loop().time(), round(float(frame.mean()))))

    def copy(self) -> Viewer:
        return Viewer(self.seen)


@asynccontextmanager
async def showing() -> AsyncIterator[tuple[Client, list[tuple[float, int]]]]:
    """A client that has shown pictures which came."""
    seen: list[tuple[float, int]] = []
    stream = Stream(Viewer(seen), modality="video", mode="send")
    async with Client(stream.offer, modality="video", mode="send") as client:
        async with asyncio.timeout(5):
            while not seen:
                await show(client, 100)
        yield client, seen
    await gone(stream)


async def show(client: Client, shade: int) -> None:
    assert client.video_source is not None
    picture = np.full((96, 128, 3), shade, np.uint8)
    client.video_source.capture_frame(av.VideoFrame.from_ndarray(picture, "bgr24"))
    await asyncio.sleep(1 / 30)


async def test_a_picture_does_not_wait_for_the_next_one() -> None:
    """The last one comes too: its marker tells that it is whole (RFC 7741 section 4.1)."""
    async with showing() as (client, seen):
        for shade in (60, 140, 220):
            await show(client, shade)
            await eventually(lambda s=shade: abs(seen[-1][1] - s) < 20, f"shade {shade}")  # type: ignore[misc]


async def test_packets_pass_aiortc_by() -> None:
    """But for the first of each source; they count in its reports."""
    stream = Stream(Viewer([]), modality="video", mode="send")
    async with Client(stream.offer, modality="video", mode="send") as client:
        (receiver,) = connection_of(peer_of(stream)).getReceivers()
        private: Any = receiver
        routes = gate_of(receiver.transport).routes
        before = RTCRtpReceiver._handle_rtp_packet
        past: list[int] = []

        async def note(self: Any, packet: Any, arrival_time_ms: int) -> None:
            past.append(packet.ssrc)
            await before(self, packet, arrival_time_ms)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RTCRtpReceiver, "_handle_rtp_packet", note)
            for number in range(60):
                await show(client, 40 + 20 * (number % 10))
        ssrc = past[0]
        assert past.count(ssrc) < 10  # others are those of what is sent again
        assert ssrc.to_bytes(4) in routes
        assert private._RTCRtpReceiver__remote_streams[ssrc].packets_received >= 55
    await gone(stream)


async def test_pictures_come_through_loss() -> None:
    """What is lost is asked for until it comes, what was sent again included, and nothing stalls.

    aiortc asks once, and again only when something else is lost.
    """
    async with showing() as (client, seen):
        chance = random.Random(3)
        lost = 0

        def fate(packet: Any) -> tuple[float, ...]:
            nonlocal lost
            gone = chance.random() < 0.1
            lost += gone
            return () if gone else (0,)

        async with impaired_video(fate):
            before = len(seen)
            for number in range(200):
                await show(client, 40 + number % 2 * 160)
            await eventually(lambda: len(seen) >= before + 190, "nearly all pictures")
        assert lost > 10
        times = [time for time, _ in seen[before:]]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert max(gaps) < 0.5
