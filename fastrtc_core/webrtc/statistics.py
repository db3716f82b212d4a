"""What a peer connection knows of its tracks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCRtpReceiver, RTCRtpSender
from aiortc.mediastreams import VIDEO_CLOCK_RATE

from ..tracks import TrackStats
from .incoming import CLOCK_RATE, IncomingAudio


def of_incoming_audio(incoming: IncomingAudio) -> Callable[[], Awaitable[TrackStats]]:
    """Audio that comes in, by our own jitter buffer."""

    async def statistics() -> TrackStats:
        network = incoming.network
        return TrackStats(
            "inbound",
            packets=network.received,
            bytes=incoming.bytes,
            packets_lost=network.lost,
            jitter=network.jitter,
            jitter_buffer_delay=network.depth,
            concealed_samples=incoming.concealed_samples,
        )

    return statistics


def of_receiver(receiver: RTCRtpReceiver) -> Callable[[], Awaitable[TrackStats]]:
    """Video that comes in, as aiortc counts it."""

    async def statistics() -> TrackStats:
        received = _find(await receiver.getStats(), "inbound-rtp")
        if received is None:
            return TrackStats("inbound", packets=0)
        return TrackStats(
            "inbound",
            packets=received.packetsReceived,
            packets_lost=received.packetsLost,
            jitter=received.jitter / VIDEO_CLOCK_RATE,
        )

    return statistics


def of_sender(sender: RTCRtpSender) -> Callable[[], Awaitable[TrackStats]]:
    """What goes out, and what the other side reports of it (RFC 3550 section 6.4.1)."""

    async def statistics() -> TrackStats:
        report = await sender.getStats()
        sent = _find(report, "outbound-rtp")
        heard = _find(report, "remote-inbound-rtp")
        rate = CLOCK_RATE if sender.kind == "audio" else VIDEO_CLOCK_RATE
        return TrackStats(
            "outbound",
            packets=sent.packetsSent,
            bytes=sent.bytesSent,
            packets_lost=heard and heard.packetsLost,
            fraction_lost=heard and heard.fractionLost / 256,
            jitter=heard and heard.jitter / rate,
            round_trip_time=heard and heard.roundTripTime,
        )

    return statistics


def _find(report: Any, type: str) -> Any:
    return next((stats for stats in report.values() if stats.type == type), None)
