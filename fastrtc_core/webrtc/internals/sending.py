"""How senders encode and send, and what they hear of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from aiortc import RTCRtpSender
from aiortc.rtp import RtcpRrPacket, RtcpSrPacket, RtpPacket
from aiortc.utils import random16, random32

from ...errors import EndOfStreamError
from ...media.rtp import HEADER, build_packet

_NTP_EPOCH = 2_208_988_800
"""Seconds from the epoch of NTP, 1900, to that of Unix (RFC 5905 section 6)."""


class EncodedFrame(NamedTuple):
    """The payload of one packet.

    Attributes:
        payload: What is sent.
        timestamp: In units of the RTP clock, from any beginning.
        resumed: Whether silence lies before it.
    """

    payload: bytes
    timestamp: int
    resumed: bool


class Witness(Protocol):
    """Who wants to know what was sent, and what of it the other side reports."""

    def note_sent(self, number: int) -> None:
        """The frame that was handed out last was sent, with this sequence number."""

    def note_report(self, highest: int) -> None:
        """The other side has got this sequence number (RFC 3550 section 6.4.1)."""


def send_directly(
    sender: RTCRtpSender,
    next_frame: Callable[[], Awaitable[EncodedFrame]],
    failed: Callable[[Exception], None],
    witness: Witness | None = None,
) -> None:
    """Send what a function yields, past aiortc's own loop, which makes each packet dearer.

    It keeps what aiortc reports of a sender (RFC 3550 section 6.4.1) up to date, and ends with
    `EndOfStreamError` of the function, or with the sender.

    Args:
        sender: One that has not been started.
        next_frame: Waits for the next frame.
        failed: Told of a frame that could not be sent; it is left out.
        witness: Told of every other.
    """
    private: Any = sender
    if witness is not None:
        _tell_reports(private, witness)

    async def run(codec: Any) -> None:
        private._RTCRtpSender__rtp_started.set()
        sequence_number, origin = random16(), random32()
        extension = _extension(private)
        try:
            while True:
                frame = await next_frame()
                if not private._enabled:
                    continue
                try:
                    timestamp = (origin + frame.timestamp) & 0xFFFFFFFF
                    packet = build_packet(
                        codec.payloadType,
                        frame.resumed,
                        sequence_number,
                        timestamp,
                        private._ssrc,
                        extension,
                        frame.payload,
                    )
                    await private.transport._send_rtp(packet)
                    if witness is not None:
                        witness.note_sent(sequence_number)
                    sequence_number += 1
                    private._RTCRtpSender__ntp_timestamp = int(
                        (time.time() + _NTP_EPOCH) * (1 << 32)
                    )
                    private._RTCRtpSender__rtp_timestamp = timestamp
                    private._RTCRtpSender__octet_count += len(frame.payload)
                    private._RTCRtpSender__packet_count += 1
                except ConnectionError:
                    raise
                except Exception as error:
                    failed(error)
        except (asyncio.CancelledError, ConnectionError, EndOfStreamError):
            pass
        except Exception as error:
            failed(error)
        finally:
            private._RTCRtpSender__rtp_exited.set()  # its `stop` waits for this

    private._run_rtp = run


def _tell_reports(sender: Any, witness: Witness) -> None:
    handle = sender._handle_rtcp_packet

    async def handle_rtcp_packet(packet: Any) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    witness.note_report(report.highest_sequence)
        await handle(packet)

    sender._handle_rtcp_packet = handle_rtcp_packet


def _extension(sender: Any) -> bytes:
    """The header extension of every packet, which names the track (RFC 8843 section 15)."""
    packet = RtpPacket()
    packet.extensions.mid = sender._RTCRtpSender__mid
    return packet.serialize(sender._RTCRtpSender__rtp_header_extensions_map)[HEADER.size :]


def reported_loss(sender: RTCRtpSender) -> float:
    """The fraction of our packets that the other side last reported lost (RFC 3550 §6.4.1)."""
    reports = sender._RTCRtpSender__stats.values()  # type: ignore[attr-defined]
    return next((r.fractionLost / 256 for r in reports if r.type == "remote-inbound-rtp"), 0.0)
