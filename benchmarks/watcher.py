"""A connection that shows the loop of `flashes`, and watches for it in what comes back."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
import uuid
from fractions import Fraction
from typing import Any, NamedTuple

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from fastrtc_core.media.video_frames import VIDEO_CLOCK_RATE, FrameAssembler

from .connection import CONNECT_TIMEOUT
from .flashes import FPS, LOOP, SHADES, flash_in, loop, shade_of

BIT_RATE = 800_000
"""What each connection says that it can take, so that every server sends as much; in bit/s."""


class _Seen(NamedTuple):
    """A picture that came: when, in s, and of how many bits."""

    time: float
    bits: int


class Watcher:
    """One connection, of aiortc, which says what it can take and asks for what is lost.

    Pictures are looked at as soon as their last packet is there.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._camera = _Camera()
        self._assembler = FrameAssembler()
        self._decoder: Any = av.CodecContext.create("libvpx", "r")
        self._shade: int | None = None
        self._seen: list[_Seen] = []
        self._flashes: list[tuple[float, float]] = []
        """Those that came back: when they were sent, and how long they took, in s."""

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionError: If the server refuses, or no connection comes to stand.
        """
        self._pc.addTrack(self._camera)
        (transceiver,) = self._pc.getTransceivers()
        private: Any = transceiver.receiver
        private._RTCRtpReceiver__jitter_buffer = self
        private._RTCRtpReceiver__remote_bitrate_estimator = _Estimate()
        connected = asyncio.Event()
        self._pc.on("connectionstatechange", lambda: self._note_state(connected))
        await self._pc.setLocalDescription()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                answer = await asyncio.to_thread(self._post, self._pc.localDescription.sdp)
                await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                await connected.wait()
        except (OSError, TimeoutError, KeyError, ValueError) as error:
            await self._pc.close()
            raise ConnectionError(f"no connection: {error!r}") from error

    async def close(self) -> None:
        """Hang up."""
        await self._pc.close()

    def latencies(self, start: float, end: float) -> list[float]:
        """Of the flashes sent between two times, in s; infinite for each that did not come back."""
        came = [latency for sent, latency in self._flashes if start <= sent < end]
        sent = sum(start <= at < end for at, _ in self._camera.flashes)
        return came + [float("inf")] * (sent - len(came))

    def pictures(self, start: float, end: float) -> int:
        """How many came between two times."""
        return sum(start <= seen.time < end for seen in self._seen)

    def bits(self, start: float, end: float) -> int:
        """Of those that came between two times."""
        return sum(seen.bits for seen in self._seen if start <= seen.time < end)

    def add(self, packet: Any) -> tuple[bool, None]:
        """Take a packet, in place of aiortc's jitter buffer."""
        now = time.perf_counter()
        for whole in self._assembler.push(
            packet.sequence_number, packet.timestamp, bool(packet.marker), packet._data, now
        ):
            self._seen.append(_Seen(now, 8 * len(whole.data)))
            for frame in self._decoder.decode(av.Packet(whole.data)):
                self._look(shade_of(frame), now)
        return False, None

    def _look(self, shade: int, now: float) -> None:
        before, self._shade = self._shade, shade
        if before is None or (before + 1) % len(SHADES) != shade:
            return
        for sent, flash in reversed(self._camera.flashes):
            if flash == shade:
                self._flashes.append((sent, now - sent))
                return

    def _note_state(self, connected: asyncio.Event) -> None:
        if self._pc.connectionState == "connected":
            connected.set()

    def _post(self, sdp: str) -> str:
        body = {"sdp": sdp, "type": "offer", "webrtc_id": uuid.uuid4().hex}
        request = urllib.request.Request(
            f"{self._url}/webrtc/offer",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT) as response:
            answer: str = json.load(response)["sdp"]
        return answer


class _Estimate:
    """Stands where a receiver has its estimator: says the same, once a second."""

    def __init__(self) -> None:
        self.ssrcs: dict[int, Any] = {}
        self._next = 0.0

    def add(
        self, abs_send_time: int, arrival_time_ms: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        now = time.perf_counter()
        if now < self._next:
            return None
        self._next = now + 1.0
        return BIT_RATE, [ssrc]


class _Camera(MediaStreamTrack):
    """Yields the pictures of the loop, encoded, each when it is due."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.flashes: list[tuple[float, int]] = []
        """When each was sent, in s, and which shade it has."""
        self._number = 0
        self._begin: float | None = None

    async def recv(self) -> Any:
        now = time.perf_counter()
        if self._begin is None:
            self._begin = now
        number, self._number = self._number, self._number + 1
        await asyncio.sleep(max(0.0, self._begin + number / FPS - now))
        packet = av.Packet(loop()[number % LOOP])
        packet.pts = round(number * VIDEO_CLOCK_RATE / FPS)
        packet.time_base = Fraction(1, VIDEO_CLOCK_RATE)
        if (shade := flash_in(number)) is not None:
            self.flashes.append((time.perf_counter(), shade))
        return packet
