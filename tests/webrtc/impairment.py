"""Losing, delaying and doubling the RTP packets that come in over real peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from fastrtc_core.webrtc.internals.encoded_video import VideoTap
from fastrtc_core.webrtc.internals.receiving import _Shortcut

Fate = Callable[[Any], Sequence[float]]
"""After how many seconds each copy of a packet arrives: `()` is a loss, `(0, 0)` a duplicate."""


@asynccontextmanager
async def impaired_audio(fate: Fate) -> AsyncIterator[None]:
    """Decide what becomes of audio packets, still encrypted, in all peers of this process.

    Those before a peer has learned their source are spared.
    """
    original = _Shortcut._receive_from
    timers: set[asyncio.TimerHandle] = set()

    def receive_from(self: _Shortcut, counts: Any) -> Callable[[bytes], None]:
        take = original(self, counts)

        def receive(data: bytes) -> None:
            for delay in fate(data):
                if delay == 0:
                    take(data)
                else:
                    loop = asyncio.get_running_loop()
                    timers.add(loop.call_later(delay, take, data))

        return receive

    _Shortcut._receive_from = receive_from  # type: ignore[method-assign]
    try:
        yield
    finally:
        _Shortcut._receive_from = original  # type: ignore[method-assign]
        for timer in timers:
            timer.cancel()


@asynccontextmanager
async def impaired_video(fate: Fate) -> AsyncIterator[None]:
    """Decide what becomes of each video packet, in all peers of this process.

    It acts before the packet is counted, and before what is missing is asked for.
    """
    original = RTCRtpReceiver._handle_rtp_packet
    shortened = VideoTap._receive

    def receive(self: VideoTap, packet: Any, marker: bool, counts: Any, layer: str) -> None:
        for _ in fate(packet):
            shortened(self, packet, marker, counts, layer)

    async def handle(self: RTCRtpReceiver, packet: RtpPacket, arrival_time_ms: int) -> None:
        for _ in fate(packet) if self.track.kind == "video" else (0,):
            await original(self, packet, arrival_time_ms)

    RTCRtpReceiver._handle_rtp_packet = handle  # type: ignore[method-assign]
    VideoTap._receive = receive  # type: ignore[method-assign]
    try:
        yield
    finally:
        VideoTap._receive = shortened  # type: ignore[method-assign]
        RTCRtpReceiver._handle_rtp_packet = original  # type: ignore[method-assign]
