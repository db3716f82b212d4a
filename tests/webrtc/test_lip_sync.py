"""Sound and picture that came together leave together, by what a receiver can know of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc import clock
from aiortc.rtp import RTCP_SR, RtcpPacket, RtcpSrPacket, is_rtcp

from fastrtc_core import AudioFrame, Stream
from fastrtc_core.client import Client
from fastrtc_core.media.libopus import OpusDecoder
from fastrtc_core.media.video_frames import VIDEO_CLOCK_RATE, FrameAssembler, vp8_payload
from fastrtc_core.testing import tone
from fastrtc_core.webrtc.internals import sending
from fastrtc_handlers import AudioVideoEcho

from ..inside import client_peer, connection_of, peer_of
from .support import gone
from .wire import Wire

RATE = 48000
STEP = 0.04
"""Time in s of one picture, and of the sound that is captured with it."""

EVERY = 20
"""Pictures from one flash, with its beep, to the next."""

IN_STEP = 0.045
"""How far apart, in s, sound and picture may be before people notice (ITU-R BT.1359)."""


class Reported(Wire):
    """What is sent, and what sender reports say of its time (RFC 3550 section 6.4.1)."""

    def __init__(self, senders: list[Any]) -> None:
        self.reports: dict[int, tuple[float, int]] = {}
        super().__init__(senders)

    async def _note(self, data: bytes) -> None:
        if is_rtcp(data) and data[1] == RTCP_SR:
            for packet in RtcpPacket.parse(data):
                if isinstance(packet, RtcpSrPacket) and packet.sender_info.packet_count:
                    info = packet.sender_info
                    self.reports[packet.ssrc] = info.ntp_timestamp / 2**32, info.rtp_timestamp
        await super()._note(data)

    def time_of(self, sender: Any, timestamp: int, clock_rate: int) -> float:
        """When that is to be heard or seen, as a receiver works it out."""
        ntp, rtp = self.reports[sender._ssrc]
        return ntp + ((timestamp - rtp + 2**31) % 2**32 - 2**31) / clock_rate

    def beeps(self) -> list[float]:
        """When each beep begins."""
        decoder, times, loud = OpusDecoder(RATE, 1), list[float](), False
        for packet in self.of(self.audio):
            level = np.abs(decoder.decode(packet.payload)).max()
            if level > 4000 and not loud:
                times.append(self.time_of(self.audio, packet.timestamp, RATE))
            loud = level > 1000
        return times

    def flashes(self) -> list[float]:
        """When each flash begins."""
        decoder: Any = av.CodecContext.create("libvpx", "r")
        assembler, times, bright = FrameAssembler(), list[float](), False
        packets = self.of(self.video)
        for packet, following in zip(packets, [*packets[1:], packets[-1]], strict=True):
            for whole in assembler.push(
                packet.sequence_number,
                packet.timestamp,
                packet.timestamp != following.timestamp,
                vp8_payload(packet.payload),
                packet.time,
            ):
                for picture in decoder.decode(av.Packet(whole.data)):
                    level = picture.to_ndarray(format="gray").mean()
                    if level > 128 and not bright:
                        times.append(self.time_of(self.video, whole.timestamp, VIDEO_CLOCK_RATE))
                    bright = level > 128
        return times


async def test_sound_and_picture_of_an_echo_are_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flash and its beep are less than 45 ms apart on their way back, as on their way there."""
    now = asyncio.get_running_loop().time
    monkeypatch.setattr(clock, "current_ntp_time", lambda: int((now() + 1e6) * 2**32))
    monkeypatch.setattr(sending, "time", SimpleNamespace(time=lambda: now() + 1e6 - 2_208_988_800))
    quiet = AudioFrame(RATE, np.zeros((1, round(STEP * RATE)), np.int16))
    loud = tone(1000, STEP, RATE, 0.5)
    dark, white = (np.full((120, 160, 3), level, np.uint8) for level in (16, 235))
    stream = Stream(AudioVideoEcho(), modality="audio-video")
    async with Client(stream.offer, modality="audio-video") as client:
        there = Reported(connection_of(client_peer(client)).getSenders())
        back = Reported(connection_of(peer_of(stream)).getSenders())
        assert client.audio_source is not None
        assert client.video_source is not None
        begun = now()
        for number in range(3 * EVERY):
            flash = number % EVERY == EVERY // 2
            picture = av.VideoFrame.from_ndarray(white if flash else dark, "bgr24")
            client.video_source.capture_frame(picture)
            await client.audio_source.capture_frame(loud if flash else quiet)
            await asyncio.sleep(max(0.0, begun + (number + 1) * STEP - now()))
        await asyncio.sleep(1)
        for way in (there, back):
            beeps, flashes = way.beeps(), way.flashes()
            assert len(beeps) == len(flashes) == 3
            assert np.abs(np.subtract(beeps, flashes)).max() < IN_STEP
        await there.close()
        await back.close()
    await gone(stream)
