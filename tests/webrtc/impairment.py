"""Losing, delaying and doubling the RTP packets that come in over real peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

Fate = Callable[[RtpPacket], Sequence[float]]
"""After how many seconds each copy of a packet arrives: `()` is a loss, `(0, 0)` a duplicate."""


@asynccontextmanager
async def impaired(kind: str, fate: Fate) -> AsyncIterator[None]:
    """Decide what becomes of every packet of one kind, in all peers of this process.

    It acts before aiortc counts the packet, so that reports to the sender speak of the loss too.
    """
    original = RTCRtpReceiver._handle_rtp_packet
    on_their_way: set[asyncio.Task[None]] = set()

    async def handle(self: RTCRtpReceiver, packet: RtpPacket, arrival_time_ms: int) -> None:
        if self.track.kind != kind:
            await original(self, packet, arrival_time_ms)
            return
        for delay in fate(packet):
            if delay == 0:
                await original(self, packet, arrival_time_ms)
            else:
                task = asyncio.create_task(later(self, packet, arrival_time_ms, delay))
                on_their_way.add(task)
                task.add_done_callback(on_their_way.discard)

    async def later(self: Any, packet: RtpPacket, arrival_time_ms: int, delay: float) -> None:
        await asyncio.sleep(delay)
        await original(self, packet, arrival_time_ms)

    RTCRtpReceiver._handle_rtp_packet = handle  # type: ignore[method-assign]
    try:
        yield
    finally:
        RTCRtpReceiver._handle_rtp_packet = original  # type: ignore[method-assign]
        for task in on_their_way:
            task.cancel()
        await asyncio.gather(*on_their_way, return_exceptions=True)
