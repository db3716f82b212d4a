"""What a connection sends, packet by packet, and a bottleneck on its way."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiortc import RTCRtpSender
from aiortc.rtp import is_rtcp

from fastrtc_core.media.rtp import find_extension, parse_packet
from fastrtc_core.webrtc.internals.flow import Flow

NUMBER = 4
"""The id of the header extension with the numbers of packets, where a test chooses it."""


class Sent:
    """A packet before it is encrypted: when it was sent, and what it is."""

    def __init__(self, time: float, data: bytes) -> None:
        packet = parse_packet(data)
        assert packet is not None
        self.time = time
        self.ssrc = packet.ssrc
        self.payload = packet.payload
        self.sequence_number = packet.sequence_number
        self.timestamp = packet.timestamp
        number = find_extension(data, NUMBER)
        self.number = None if number is None else int.from_bytes(number)


class Wire:
    """What goes out over the transport of these senders.

    Args:
        senders: Those of a connection.

    Attributes:
        sent: All packets of media.
        rate: Of the bottleneck in bit/s; `None` for none.
        waited: When each packet of sound came to it, and how long it waited, in s.
        waits: How long each packet waited, in s.
        lost: Packets that found no room: they would have had to wait for half a second.
    """

    def __init__(self, senders: list[Any]) -> None:
        self.sent: list[Sent] = []
        self.rate: float | None = None
        self.waited: list[tuple[float, float]] = []
        self.waits: list[float] = []
        self.lost = 0
        self._loop = asyncio.get_running_loop()
        self._free = 0.0
        self.audio: Any
        self.video: Any
        self.audio, self.video = (
            next((s for s in senders if s.kind == kind), None) for kind in ("audio", "video")
        )
        dtls = (self.video or self.audio).transport
        self.dtls = dtls
        self._send_rtp = dtls._send_rtp
        dtls._send_rtp = self._note
        self._send = dtls.transport._send
        dtls.transport._send = self._queue
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._filled = asyncio.Event()
        self._carrier = asyncio.create_task(self._carry())

    @property
    def now(self) -> float:
        """The time in s."""
        return self._loop.time()

    @property
    def flow(self) -> Flow:
        flow: Flow = self.video._fastrtc_flow
        return flow

    def of(self, sender: RTCRtpSender) -> list[Sent]:
        """The packets of a sender, but for those sent again."""
        return [one for one in self.sent if one.ssrc == sender._ssrc]

    async def close(self) -> None:
        self._carrier.cancel()
        await asyncio.gather(self._carrier, return_exceptions=True)

    async def _note(self, data: bytes) -> None:
        if not is_rtcp(data):
            self.sent.append(Sent(self._loop.time(), data))
        await self._send_rtp(data)

    async def _queue(self, data: bytes) -> None:
        now = self._loop.time()
        if self.rate is None:
            await self._send(data)
            return
        wait = max(0.0, self._free - now)
        if wait > 0.5:
            self.lost += 1
            return
        self._free = now + wait + 8 * (len(data) + 28) / self.rate
        self.waits.append(wait)
        if self.audio is not None and data[8:12] == self.audio._ssrc.to_bytes(4):
            self.waited.append((now, wait))
        self._waiting.append((self._free + 0.01, data))
        self._filled.set()

    async def _carry(self) -> None:
        while True:
            self._filled.clear()
            await self._filled.wait()
            while self._waiting:
                due, data = self._waiting[0]
                await asyncio.sleep(due - self._loop.time())
                self._waiting.popleft()
                await self._send(data)
