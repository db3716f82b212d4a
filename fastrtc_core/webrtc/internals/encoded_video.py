"""Encoded pictures past the codecs of aiortc, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import pylibsrtp
from aiortc import RTCRtpReceiver, RTCRtpTransceiver, clock
from aiortc.codecs import is_rtx
from aiortc.codecs.h264 import h264_depayload
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

from ...media.rtp import RtpPacket as ParsedPacket
from ...media.rtp import find_extension, parse_packet
from ...media.video_frames import vp8_payload
from .gate import gate_of


class VideoPacket(NamedTuple):
    """A packet that came in, in whatever way: once more, too, after it was lost.

    Attributes:
        ssrc: Of its source.
        codec: MIME type in lower case.
        sequence_number: 16 bits.
        timestamp: 32 bits.
        marker: Whether it says that it is the last one of its picture.
        data: Without the header of the codec.
    """

    ssrc: int
    codec: str
    sequence_number: int
    timestamp: int
    marker: bool
    data: bytes


class VideoTap:
    """Stands where a receiver has its jitter buffer, and never yields a picture to its decoder.

    The first packet of each source comes through aiortc, which finds out whose it is; those after
    it come from the gate before the sockets, at a third of the cost.

    Args:
        receiver: One of video, that has not been started.
        take: Gets the packets.
        ended: Called when nothing more will come: the source says goodbye, or the connection ends.
        run: Runs a coroutine for as long as the connection stands.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        take: Callable[[VideoPacket], None],
        ended: Callable[[], None],
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        private: Any = receiver
        self._receiver = private
        self._take = take
        self._ended = ended
        self._run = run
        self._ssrc: int | None = None
        self._names: dict[int, str] = {}
        """MIME types by payload type, but for what is sent again in another form (RFC 4588)."""
        self._loop = asyncio.get_running_loop()
        self._origin = clock.current_ms() - int(1000 * self._loop.time())
        """What aiortc's time of day in ms is ahead of the loop's, which nobody sets."""
        self._stop_decoder = private._RTCRtpReceiver__stop_decoder
        private._RTCRtpReceiver__jitter_buffer = self
        private._RTCRtpReceiver__stop_decoder = self._end
        # aiortc's asks once for what is lost, and again whenever something else is.
        private._RTCRtpReceiver__nack_generator = None

    def add(self, packet: Any) -> tuple[bool, None]:
        """Take a packet of aiortc: the first of a source, or one that was sent again."""
        if self._ssrc is None:
            self._stop_decoder()  # its thread runs by now, and is not needed
            self._names = {
                number: codec.mimeType.lower()
                for number, codec in self._receiver._RTCRtpReceiver__codecs.items()
                if not is_rtx(codec)
            }
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._shorten(packet.ssrc)
        self._take(
            VideoPacket(
                packet.ssrc,
                self._names[packet.payload_type],
                packet.sequence_number,
                packet.timestamp,
                bool(packet.marker),
                packet._data,
            )
        )
        return False, None

    async def request_keyframe(self) -> None:
        """Ask the other side for a keyframe (RFC 4585 section 6.3.1)."""
        if self._ssrc is not None:
            await self._receiver._send_rtcp_pli(self._ssrc)

    async def request_packets(self, sequence_numbers: list[int]) -> None:
        """Ask the other side to send packets again (RFC 4585 section 6.2.1)."""
        if self._ssrc is not None:
            await self._receiver._send_rtcp_nack(self._ssrc, sequence_numbers)

    def _end(self) -> None:
        self._stop_decoder()
        self._ended()

    def _shorten(self, ssrc: int) -> None:
        """Take the packets of a source from the gate from now on."""
        counts = self._receiver._RTCRtpReceiver__remote_streams.get(ssrc)
        if counts is not None:  # otherwise all that came of it was sent again
            # SRTP leaves the SSRC in clear (RFC 3711 section 3.1).
            gate_of(self._receiver.transport).routes[ssrc.to_bytes(4)] = self._receive_from(counts)

    def _receive_from(self, counts: Any) -> Callable[[bytes], None]:
        """What takes the packets of one source; `counts` is what aiortc counts of it."""
        receiver = self._receiver
        dtls = receiver.transport
        sent_at = dtls._rtp_header_extensions_map._HeaderExtensionsMap__ids.abs_send_time

        def receive(data: bytes) -> None:
            dtls._RTCDtlsTransport__rx_packets += 1
            dtls._RTCDtlsTransport__rx_bytes += len(data)
            try:
                data = dtls._rx_srtp.unprotect(data)
                packet = parse_packet(data)
            except (pylibsrtp.Error, ValueError):
                return  # forged, a copy, or longer than any packet
            if packet is None or not receiver._enabled:
                return
            estimator = receiver._RTCRtpReceiver__remote_bitrate_estimator
            if estimator is not None and sent_at is not None:
                self._estimate(estimator, packet, find_extension(data, sent_at))
            self._receive(packet, bool(data[1] & 0x80), counts)

        return receive

    def _receive(self, packet: ParsedPacket, marker: bool, counts: Any) -> None:
        name = self._names.get(packet.payload_type)
        if name is None:
            return
        self._ssrc = packet.ssrc  # whom to ask: an earlier source may be back
        counts.add(packet)
        try:
            data = _depayload(name, packet.payload) if packet.payload else b""
        except ValueError:
            return  # damaged
        number, timestamp = packet.sequence_number, packet.timestamp
        self._take(VideoPacket(packet.ssrc, name, number, timestamp, marker, data))

    def _estimate(self, estimator: Any, packet: ParsedPacket, sent_at: bytes | None) -> None:
        """Do with a packet what aiortc does for its estimate of the bit rate (REMB)."""
        if sent_at is None or len(sent_at) != 3:
            return
        estimate = estimator.add(
            abs_send_time=int.from_bytes(sent_at),
            arrival_time_ms=self._origin + int(1000 * self._loop.time()),
            payload_size=len(packet.payload),
            ssrc=packet.ssrc,
        )
        reporter = self._receiver._RTCRtpReceiver__rtcp_ssrc
        if estimate is not None and reporter is not None:
            report = RtcpPsfbPacket(
                fmt=RTCP_PSFB_APP, ssrc=reporter, media_ssrc=0, fci=pack_remb_fci(*estimate)
            )
            self._run(self._receiver._send_rtcp(report))


def _depayload(codec: str, payload: bytes) -> bytes:
    """A payload without the header of its codec.

    Raises:
        ValueError: If it is damaged.
    """
    if codec == "video/vp8":
        return vp8_payload(payload)
    return h264_depayload(payload)


def negotiated_codecs(transceiver: RTCRtpTransceiver) -> tuple[str, ...]:
    """The MIME types that the other side takes, in lower case, best first."""
    names = (codec.mimeType.lower() for codec in transceiver._codecs if not is_rtx(codec))
    return tuple(dict.fromkeys(names))
