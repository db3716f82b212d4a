"""Audio packets from the socket to us, past what aiortc does with them.

aiortc takes a packet through a queue, a task and some ten calls before it decodes it in a thread.
That costs more than decoding; and its jitter buffer is not ours (see `media/jitter.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pylibsrtp
from aiortc import RTCRtpReceiver

from ...media.rtp import RtpPacket, parse_packet
from .gate import gate_of


def receive_directly(receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]) -> None:
    """Give the RTP packets of a receiver to a function, instead of decoding them in a thread.

    The first packet of each source comes through aiortc, which finds out whose it is and begins to
    count for its reports; those after it come from the gate before the sockets.
    """
    private: Any = receiver
    private._RTCRtpReceiver__jitter_buffer = _Shortcut(private, take)


class _Shortcut:
    """Stands where a receiver has its jitter buffer, and never yields a frame to its decoder."""

    def __init__(self, receiver: Any, take: Callable[[RtpPacket], None]) -> None:
        self._receiver = receiver
        self._take = take

    def add(self, packet: Any) -> tuple[bool, None]:
        """Take the first packet of a source."""
        # By now the decoder's thread runs, and is not needed.
        self._receiver._RTCRtpReceiver__stop_decoder()
        counts = self._receiver._RTCRtpReceiver__remote_streams[packet.ssrc]
        routes = gate_of(self._receiver.transport).routes
        # SRTP leaves the SSRC in clear (RFC 3711 section 3.1).
        routes[packet.ssrc.to_bytes(4)] = self._receive_from(counts)
        self._take(
            RtpPacket(
                packet.payload_type,
                packet.sequence_number,
                packet.timestamp,
                packet.ssrc,
                packet.payload,
            )
        )
        return False, None

    def _receive_from(self, counts: Any) -> Callable[[bytes], None]:
        """What takes the packets of one source; `counts` is what aiortc counts of it."""
        receiver, take = self._receiver, self._take
        dtls = receiver.transport
        codecs = receiver._RTCRtpReceiver__codecs

        def receive(data: bytes) -> None:
            dtls._RTCDtlsTransport__rx_packets += 1
            dtls._RTCDtlsTransport__rx_bytes += len(data)
            try:
                packet = parse_packet(dtls._rx_srtp.unprotect(data))
            except (pylibsrtp.Error, ValueError):
                return  # forged, a copy, or longer than any packet
            if packet is not None and packet.payload_type in codecs and receiver._enabled:
                counts.add(packet)
                take(packet)

        return receive
