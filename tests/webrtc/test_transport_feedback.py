"""Transport-wide feedback between real peers: what a sender is told, and what it no longer is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, is_rtcp

from fastrtc_core import Stream, VideoOptions
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.webrtc.internals.feedback import INTERVAL
from fastrtc_core.webrtc.sdp.feedback import FEEDBACK, URI
from fastrtc_handlers import AudioVideoEcho

from ..media.test_transport_feedback import read_body
from .support import connected, eventually, gone, make_offer, raw_peer, take_answer
from .wire import NUMBER

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Numbering:
    """Numbers all RTP packets of a bare connection, and notes what comes back about them.

    Attributes:
        begin: The number of the first packet.
        sent: How many packets were sent.
        lose: Which of them are lost, by their place; a tenth, unless it is set.
        feedback: The feedback packets that came.
        estimates: How many estimates (REMB) came.
    """

    def __init__(self, pc: RTCPeerConnection, *, begin: int = 0xFFF0, numbers: bool = True) -> None:
        self.begin = begin
        self.sent = 0
        self.lose: Callable[[int], bool] = lambda place: place % 10 == 5
        self.feedback: list[bytes] = []
        self.estimates = 0
        self._numbers = numbers
        self._map = HeaderExtensionsMap()
        extensions = [
            RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid"),
            RTCRtpHeaderExtensionParameters(
                id=3, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
            ),
            RTCRtpHeaderExtensionParameters(id=NUMBER, uri=URI),
        ]
        self._map.configure(RTCRtpParameters(headerExtensions=extensions))
        dtls: Any = pc.getSenders()[0].transport
        self._send, self._take = dtls._send_rtp, dtls._handle_rtcp_data
        dtls._send_rtp, dtls._handle_rtcp_data = self.send, self.take

    async def send(self, data: bytes) -> None:
        if is_rtcp(data) or not self._numbers:
            await self._send(data)
            return
        packet = RtpPacket.parse(data, self._map)
        packet.extensions.transport_sequence_number = (self.begin + self.sent) & 0xFFFF
        place, self.sent = self.sent, self.sent + 1
        if not self.lose(place):
            await self._send(packet.serialize(self._map))

    async def take(self, data: bytes) -> None:
        if data[1] == 205 and data[0] & 31 == 15:
            self.feedback.append(data)
        elif data[1] == 206 and data[0] & 31 == 15:
            self.estimates += 1
        else:
            await self._take(data)

    def told(self) -> dict[int, int | None]:
        """When each packet came, by its place; `None` if it did not, in the end."""
        found: dict[int, int | None] = {}
        for report in map(read_body, self.feedback):
            for place, ticks in enumerate(report.arrivals):
                known = (report.base + place - self.begin) & 0xFFFF
                found[known] = ticks if ticks is not None else found.get(known)
        return found


def offering(sdp: str, *, estimates: bool = True) -> str:
    """An offer of bare aiortc, with transport-wide feedback as Chromium offers it."""
    lines: list[str] = []
    for line in sdp.splitlines():
        if "goog-remb" in line and not estimates:
            continue
        lines.append(line)
        if line.startswith("a=mid:"):
            lines.append(f"a=extmap:{NUMBER} {URI}")
        elif match := re.match(r"a=rtpmap:(\d+) (opus|VP8|H264)", line):
            lines.append(f"a=rtcp-fb:{match[1]} {FEEDBACK}")
    return "\r\n".join(lines) + "\r\n"


@asynccontextmanager
async def session(**options: Any) -> AsyncIterator[Answer]:
    """A stream that takes audio and video."""
    stream = Stream(AudioVideoEcho(), modality="audio-video", mode="send", **options)
    yield stream.offer
    await gone(stream)


@asynccontextmanager
async def room() -> AsyncIterator[Answer]:
    async with RtcEngine("app") as engine:

        async def offer(body: dict[str, Any]) -> dict[str, Any]:
            return await engine.accept({**body, "params": {"channel": "hall", "uid": 1}})

        yield offer


@asynccontextmanager
async def sending(
    answer: Answer,
    *,
    audio: bool = True,
    video: bool = True,
    offered: bool = True,
    numbers: bool = True,
    estimates: bool = True,
) -> AsyncIterator[tuple[Numbering, str]]:
    """A bare peer that sends; with its answer."""
    async with raw_peer() as pc:
        if audio:
            pc.addTrack(AudioStreamTrack())
        if video:
            pc.addTrack(VideoStreamTrack())
        body = await make_offer(pc)
        if offered:
            body["sdp"] = offering(body["sdp"], estimates=estimates)
        answered = await answer(body)
        await take_answer(pc, answered)
        numbering = Numbering(pc, numbers=numbers)  # on the one transport that is left
        await connected(pc)
        yield numbering, answered["sdp"]


@pytest.mark.parametrize("way", ["session", "shared port", "room"])
async def test_every_packet_is_told_of(way: str) -> None:
    """Audio and video in one row, the lost ones too, within a moment, through 0xFFFF and 0."""
    where = room() if way == "room" else session(udp_port=0 if way == "shared port" else None)
    async with where as answer, sending(answer) as (numbering, sdp):
        assert sdp.count(f"a=extmap:{NUMBER} {URI}") == 2
        assert len(re.findall(f"a=rtcp-fb:[0-9]+ {FEEDBACK}", sdp)) >= 2
        await eventually(lambda: numbering.sent > 120, "packets", within=10)
        sent = numbering.sent
        await eventually(lambda: len(numbering.told()) >= sent - 1, "the feedback about them")
        told = numbering.told()
        assert [place for place in range(sent - 2) if told[place] is None] == list(
            range(5, sent - 2, 10)
        )
        assert numbering.estimates == 0, "libwebrtc would take an estimate as a limit"
        numbers = [packet[19] for packet in numbering.feedback]
        assert numbers == [number & 0xFF for number in range(len(numbers))]


async def test_feedback_comes_while_something_comes() -> None:
    """Each 50 ms, and not after it."""
    loop = asyncio.get_running_loop()
    async with session() as answer, sending(answer) as (numbering, _):
        await eventually(lambda: numbering.feedback, "feedback")
        before, began = len(numbering.feedback), loop.time()
        await asyncio.sleep(2)
        rate = (len(numbering.feedback) - before) / (loop.time() - began)
        # To each report, and on to the next picture, of which the encoder leaves some out.
        assert 0.3 / INTERVAL < rate <= 1.05 / INTERVAL
        numbering.lose = lambda place: True
        await asyncio.sleep(3 * INTERVAL)
        before = len(numbering.feedback)
        await asyncio.sleep(1)
        assert len(numbering.feedback) == before


async def test_audio_alone_goes_without() -> None:
    """Its bit rate is one, whatever the line: it is not agreed, and nobody is told anything."""
    async with session() as answer, sending(answer, video=False) as (numbering, sdp):
        assert URI not in sdp
        assert FEEDBACK not in sdp
        await eventually(lambda: numbering.sent > 30, "packets")
        assert not numbering.feedback


async def test_estimates_for_who_knows_nothing_else() -> None:
    async with session() as answer, sending(answer, offered=False, numbers=False) as (sender, sdp):
        assert URI not in sdp
        await eventually(lambda: sender.estimates, "an estimate")
        assert not sender.feedback


async def test_estimates_for_who_numbers_nothing() -> None:
    """It has agreed to number its packets, and does not: it must not be left with nothing."""
    async with session() as answer, sending(answer, numbers=False) as (sender, sdp):
        assert URI in sdp
        await eventually(lambda: sender.estimates, "an estimate")
        assert not sender.feedback


async def test_no_estimates_where_they_were_not_agreed() -> None:
    async with session() as answer, sending(answer, numbers=False, estimates=False) as (sender, _):
        await asyncio.sleep(2)
        assert sender.estimates == 0


async def test_our_own_client_offers_it() -> None:
    """For what it takes and for what it sends."""
    stream = Stream(AudioVideoEcho(), modality="audio-video")
    answers: list[str] = []

    async def offer(body: dict[str, Any]) -> dict[str, Any]:
        assert body["sdp"].count(URI) == 2
        answer = await stream.offer(body)
        answers.append(answer["sdp"])
        return answer

    async with Client(offer, modality="audio-video"):
        (answer,) = answers
        assert answer.count(URI) == 2
        assert FEEDBACK in answer
    await gone(stream)


async def test_the_bit_rate_to_start_with() -> None:
    """It stands with each codec of video, once, and with no other."""
    for options, rate in ((None, 1000), (VideoOptions(client_bit_rate=640_000), 640)):
        async with (
            session(video_options=options) as answer,
            sending(answer) as (_, sdp),
        ):
            video = sdp[sdp.index("m=video") :]
            codecs = re.findall(r"a=rtpmap:(\d+) (?:VP8|H264)", video)
            asked = re.findall(rf"a=fmtp:(\d+) .*x-google-start-bitrate={rate}\b", sdp)
            assert asked == codecs
    options = VideoOptions(client_bit_rate=None)
    async with session(video_options=options) as answer, sending(answer) as (_, sdp):
        assert "x-google" not in sdp
