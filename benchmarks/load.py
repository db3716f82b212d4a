"""The load: many connections that send packets encoded beforehand and listen for markers.

Nothing is encoded while it runs, and only as much is decoded as it takes to hear a marker.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
import uuid
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtp import RtpPacket

from fastrtc_core.media.libopus import OpusDecoder, OpusEncoder
from fastrtc_core.webrtc import internals

FRAME = 0.02
MARKER_EVERY = 25
"""Packets between two markers: one every half a second."""

MARKER_LEVEL = 3000
"""Peak above which a decoded packet is a marker; the rest is near silence."""


def encoded_packets() -> list[bytes]:
    """Half a second of Opus: quiet noise, and a tone of 20 ms that marks its first packet."""
    random = np.random.default_rng(1)
    encoder = OpusEncoder(48000, 1, bit_rate=32_000)
    packets: list[bytes] = []
    angle = 2 * np.pi * 800 * np.arange(960) / 48000
    for number in range(2 * MARKER_EVERY):
        sound = random.normal(0, 60, 960)
        if number % MARKER_EVERY == 0:
            sound = 16000 * np.sin(angle)
        packets.append(encoder.encode(sound.astype(np.int16)[np.newaxis]))
    return packets[MARKER_EVERY:]


class Talker(MediaStreamTrack):
    """Sends the packets over and over, one every 20 ms.

    Args:
        packets: What to send.
        phase: Its place within the 20 ms, so that connections do not all send at once.
    """

    kind = "audio"

    def __init__(self, packets: list[bytes], phase: float) -> None:
        super().__init__()
        self.sent = 0
        self.markers: deque[float] = deque(maxlen=8)
        self.drop_next = False
        self._packets = packets
        self._phase = phase
        self._start: float | None = None

    async def recv(self) -> av.Packet[Any]:
        loop = asyncio.get_running_loop()
        if self._start is None:
            self._start = loop.time() + self._phase
        await asyncio.sleep(max(0.0, self._start + self.sent * FRAME - loop.time()))
        payload = self._packets[self.sent % MARKER_EVERY]
        if self.sent % MARKER_EVERY == 0:
            self.markers.append(time.perf_counter())
        packet: av.Packet[Any] = av.Packet(payload)
        packet.pts = self.sent * 960
        packet.time_base = Fraction(1, 48000)
        self.sent += 1
        return packet


@dataclass
class Listener:
    """Hears the markers in what comes back."""

    talker: Talker
    received: int = 0
    first: float | None = None
    latencies: list[float] = field(default_factory=list)
    _decoder: OpusDecoder = field(default_factory=lambda: OpusDecoder(8000, 1))
    _quiet: int = 10

    def take(self, packet: RtpPacket) -> None:
        """Count a packet; where a marker is due, decode and look for it."""
        # uvloop's own time has a resolution of 1 ms, which is as long as what is measured.
        now = time.perf_counter()
        self.received += 1
        if self.first is None:
            self.first = now
        if not packet.payload:
            return
        loud = int(np.abs(self._decoder.decode(packet.payload)).max()) > MARKER_LEVEL
        if loud and self._quiet > 5 and self.talker.markers:
            sent = [marker for marker in self.talker.markers if marker <= now]
            # A delay of more than half a second would be taken for that of the next marker.
            self.latencies.append(now - sent[-1] if sent else 0.0)
        self._quiet = 0 if loud else self._quiet + 1


class Connection:
    """One connection to an echo server.

    Args:
        url: Where the server is.
        number: Its number, which spreads the connections over the 20 ms.
        packets: What it says.
    """

    def __init__(self, url: str, number: int, packets: list[bytes]) -> None:
        self._url = url
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.talker = Talker(packets, phase=(number * 0.618 % 1) * FRAME)
        self.listener = Listener(self.talker)
        self.offered = 0.0

    async def open(self) -> None:
        """Connect."""
        self.pc.addTrack(self.talker)
        channel = self.pc.createDataChannel("text")
        channel.on("message", lambda _text: None)
        self.pc.on("track", self._listen)
        await self.pc.setLocalDescription()
        self.offered = time.perf_counter()
        body = {
            "sdp": self.pc.localDescription.sdp,
            "type": "offer",
            "webrtc_id": uuid.uuid4().hex,
        }
        answer = await asyncio.to_thread(_post, f"{self._url}/webrtc/offer", body)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))

    def _listen(self, track: MediaStreamTrack) -> None:
        receiver = next(r for r in self.pc.getReceivers() if r.track is track)
        internals.tap(receiver, self.listener.take)

    async def close(self) -> None:
        """Hang up."""
        await self.pc.close()


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
