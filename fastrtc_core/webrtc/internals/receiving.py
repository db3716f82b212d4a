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

_SSRC = slice(8, 12)
"""Where the SSRC stands in a packet; SRTP leaves it in clear (RFC 3711 section 3.1)."""


def receive_directly(receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]) -> None:
    """Give the RTP packets of a receiver to a function, instead of decoding them in a thread.

    The first packet of each source comes through aiortc, which finds out whose it is and begins to
    count for its reports; those after it come from the socket.
    """
    private: Any = receiver
    private._RTCRtpReceiver__jitter_buffer = _Shortcut(private, take)


class _Shortcut:
    """Stands where a receiver has its jitter buffer, and never yields a frame to its decoder."""

    def __init__(self, receiver: Any, take: Callable[[RtpPacket], None]) -> None:
        self._receiver = receiver
        self._take = take
        # What aiortc counts for its reports, by the SSRC as it stands in a packet.
        self._sources: dict[bytes, Any] = {}

    def add(self, packet: Any) -> tuple[bool, None]:
        """Take the first packet of a source."""
        if not self._sources:
            # By now the decoder's thread runs, and is not needed.
            self._receiver._RTCRtpReceiver__stop_decoder()
            self._take_from_sockets()
        counts = self._receiver._RTCRtpReceiver__remote_streams[packet.ssrc]
        self._sources[packet.ssrc.to_bytes(4)] = counts
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

    def _take_from_sockets(self) -> None:
        for protocol in self._receiver.transport.transport._connection._protocols:
            protocol.datagram_received = self._before(protocol.datagram_received)

    def _before(self, others: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
        receiver, sources, take = self._receiver, self._sources, self._take
        dtls = receiver.transport
        codecs = receiver._RTCRtpReceiver__codecs

        def datagram_received(data: bytes, address: Any) -> None:
            counts = sources.get(data[_SSRC])
            # RTP, and no RTCP, by the first two bytes (RFC 7983 section 7, RFC 5761 section 4).
            if counts is None or not 128 <= data[0] < 192 or 192 <= data[1] < 224:
                others(data, address)
                return
            dtls._RTCDtlsTransport__rx_packets += 1
            dtls._RTCDtlsTransport__rx_bytes += len(data)
            try:
                packet = parse_packet(dtls._rx_srtp.unprotect(data))
            except (pylibsrtp.Error, ValueError):
                return  # forged, a copy, or longer than any packet
            if packet is not None and packet.payload_type in codecs and receiver._enabled:
                counts.add(packet)
                take(packet)

        return datagram_received
