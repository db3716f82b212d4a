"""What we send over a line: numbered, paced, and no more than it carries."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiortc.rtp import RtcpPsfbPacket, pack_remb_fci

from fastrtc_core import AudioVideoStreamHandler, Stream, VideoOptions
from fastrtc_core.client import Client
from fastrtc_core.webrtc.sdp.feedback import URI
from fastrtc_handlers import Echo

from ..inside import connection_of, peer_of
from .support import connected, eventually, gone, make_offer, raw_peer, take_answer
from .test_transport_feedback import offering
from .wire import Sent, Wire

SIZE = 240, 320
FPS = 15


class Show(AudioVideoStreamHandler):
    """Sends sound without a pause, and pictures that are hard to encode."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        super().__init__(fps=FPS)
        self.size = size
        self._chance = np.random.default_rng(1)

    def receive(self, frame: Any) -> None: ...

    def emit(self) -> Any:
        return 24_000, np.ones((1, 480), np.int16)

    def video_receive(self, frame: Any) -> None: ...

    def video_emit(self) -> Any:
        coarse = self._chance.integers(
            0, 255, (self.size[0] // 16, self.size[1] // 16, 3), np.uint8
        )
        return coarse.repeat(16, axis=0).repeat(16, axis=1)

    def copy(self) -> Show:
        return Show(self.size)


@asynccontextmanager
async def wired(stream: Stream, **options: Any) -> AsyncIterator[Wire]:
    """Our own client, at the other end of a wire."""
    async with Client(stream.offer, **options):
        wire = Wire(connection_of(peer_of(stream)).getSenders())
        try:
            yield wire
        finally:
            await wire.close()
    await gone(stream)


async def test_a_line_that_becomes_narrow_is_not_overrun() -> None:
    """Pictures have what is left of it beside the sound, which hardly waits."""
    stream = Stream(Show(), modality="audio-video", mode="receive")
    async with wired(stream, modality="audio-video") as wire:
        loop = asyncio.get_running_loop()
        await eventually(lambda: wire.flow.line and wire.flow.line.heard, "feedback")
        await eventually(lambda: wire.flow.target_bitrate > 1_500_000, "a wide line", 10)
        wire.rate, narrowed = 400_000, loop.time()
        await asyncio.sleep(6)
        assert 150_000 <= wire.flow.target_bitrate < 600_000
        calm = [wait for time, wait in wire.waited if time > narrowed + 3]
        assert len(calm) > 120
        assert statistics.median(calm) < 0.04
        assert np.percentile(calm, 95) < 0.12
        pictures = {one.timestamp for one in wire.of(wire.video) if one.time > narrowed + 3}
        assert len(pictures) > 0.75 * 3 * FPS


@asynccontextmanager
async def watching(
    stream: Stream, change: Callable[[str], str] = offering
) -> AsyncIterator[tuple[Wire, Any, str]]:
    """A bare peer that takes what a stream sends; with its own side, and the answer."""
    async with raw_peer() as pc:
        for kind in ("audio", "video") if stream.modality == "audio-video" else ("audio",):
            pc.addTransceiver(kind, "recvonly")
        body = await make_offer(pc)
        body["sdp"] = change(body["sdp"])
        answer = await stream.offer(body)
        await take_answer(pc, answer)
        wire = Wire(connection_of(peer_of(stream)).getSenders())
        await connected(pc)
        try:
            yield wire, pc, answer["sdp"]
        finally:
            await wire.close()
    await gone(stream)


async def test_packets_of_video_are_numbered() -> None:
    """Each with the next number, those that are sent again too; and no packet of sound."""
    stream = Stream(Show(), modality="audio-video", mode="receive")
    async with watching(stream) as (wire, pc, sdp):
        assert sdp.count(URI) == 1, "for video alone"
        await eventually(lambda: len(wire.of(wire.video)) > 60 and wire.of(wire.audio), "packets")
        (receiver,) = (r for r in pc.getReceivers() if r.track.kind == "video")
        lost = wire.of(wire.video)[-1].sequence_number
        before = len(wire.sent)
        await receiver._send_rtcp_nack(wire.video._ssrc, [lost])

        def again() -> list[Sent]:
            return [s for s in wire.sent[before:] if s.ssrc == wire.video._rtx_ssrc]

        await eventually(again, "the packet once more")
        assert again()[0].payload[:2] == lost.to_bytes(2)
        numbers = [one.number for one in wire.sent if one.ssrc != wire.audio._ssrc]
        assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))
        assert {one.number for one in wire.of(wire.audio)} == {None}


async def test_audio_alone_is_spared() -> None:
    """No numbers, and nothing that waits for feedback."""
    stream = Stream(Echo(), modality="audio", mode="send-receive")
    async with watching(stream) as (wire, _, sdp):
        assert URI not in sdp
        assert "_fastrtc_line" not in vars(wire.dtls)
        assert "_fastrtc_flow" not in vars(wire.audio)


async def test_who_tells_nothing_but_an_estimate_is_believed() -> None:
    """REMB, within the bounds of the options, where no feedback was agreed."""
    options = VideoOptions(bit_rate=800_000)
    stream = Stream(Show(), modality="audio-video", mode="receive", video_options=options)
    async with watching(stream, lambda sdp: sdp) as (wire, _, sdp):
        assert URI not in sdp
        await eventually(lambda: wire.of(wire.video), "packets")
        assert wire.flow.line is None
        assert wire.flow.target_bitrate == 800_000
        for told, kept in ((500_000, 500_000), (10, 150_000), (10**9, 3_000_000)):
            report = RtcpPsfbPacket(
                fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(told, [wire.video._ssrc])
            )
            await wire.video._handle_rtcp_packet(report)
            assert wire.flow.target_bitrate == pytest.approx(kept, rel=1e-4)


async def test_a_keyframe_leaves_bit_by_bit_and_sound_beside_it() -> None:
    """It is far larger than its share of the bit rate, and sound would wait behind it."""
    options = VideoOptions(bit_rate=200_000, max_bit_rate=200_000)
    stream = Stream(Show((480, 640)), modality="audio-video", mode="receive", video_options=options)
    async with watching(stream, lambda sdp: sdp) as (wire, _, _):
        await eventually(lambda: len(wire.of(wire.video)) > 40, "packets")
        first = wire.of(wire.video)[0]
        keyframe = [one for one in wire.of(wire.video) if one.timestamp == first.timestamp]
        assert len(keyframe) >= 4
        lasted = keyframe[-1].time - keyframe[0].time
        size = sum(len(one.payload) for one in keyframe)
        assert 8 * size / (2.5 * 200_000) - 0.06 < lasted <= 0.6
        assert lasted > 0.03
        beside = [s for s in wire.of(wire.audio) if first.time < s.time < keyframe[-1].time]
        assert len(beside) >= int(lasted / 0.02) - 1


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_the_codec_that_is_preferred_is_used(codec: Any) -> None:
    """Whatever the other side names first; others stay for those who have no other."""
    options = VideoOptions(codecs=(codec,))
    stream = Stream(Show(), modality="audio-video", mode="receive", video_options=options)
    async with watching(stream) as (wire, _, sdp):
        video = sdp[sdp.index("m=video") :]
        names = re.findall(r"a=rtpmap:\d+ (\w+)/90000", video)
        assert names[0].lower() == codec
        assert {"VP8", "H264"} <= set(names)
        await eventually(lambda: wire.of(wire.video), "packets")
