"""Encoded pictures past the codecs of aiortc, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import pylibsrtp
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpTransceiver, clock
from aiortc.codecs import is_rtx
from aiortc.codecs.h264 import h264_depayload
from aiortc.rtp import RTCP_PSFB_APP, RtcpByePacket, RtcpPsfbPacket, pack_remb_fci

from ...media.rtp import RtpPacket as ParsedPacket
from ...media.rtp import find_extension, parse_packet
from ...media.video_frames import vp8_payload
from .gate import gate_of

MAX_SOURCES = 32
"""Sources of which the layer is remembered; then all are named anew by their packets."""


class VideoPacket(NamedTuple):
    """A packet that came in, in whatever way: once more, too, after it was lost.

    Attributes:
        ssrc: Of its source.
        codec: MIME type in lower case.
        sequence_number: 16 bits.
        timestamp: 32 bits.
        marker: Whether it says that it is the last one of its picture.
        data: Without the header of the codec.
        layer: The `rid` of its source; empty where there is one layer only.
    """

    ssrc: int
    codec: str
    sequence_number: int
    timestamp: int
    marker: bool
    data: bytes
    layer: str = ""


class VideoTap:
    """Stands where a receiver has its jitter buffer, and never yields a picture to its decoder.

    The first packet of each source comes through aiortc, which finds out whose it is; those after
    it come from the gate before the sockets, at a third of the cost.

    Args:
        receiver: One of video, that has not been started.
        take: Gets the packets.
        ended: Called when nothing more will come: the connection ends, or the source says goodbye
            where there is one layer only.
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
        self._rids: frozenset[str] = frozenset()
        """The layers that were agreed; none where there is one only."""
        self._layers: dict[int, str] = {}
        """The layers of sources that have named theirs."""
        self._sources: dict[str, int] = {}
        """The latest source of each layer: whom to ask."""
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
        private._fastrtc_tap = self

    def take_layers(self, rids: Collection[str]) -> None:
        """Take several layers, by their `rid`, and nothing that is of none.

        Those that were taken first are the only ones: no browser lets them be changed, and what is
        kept of each would add up with every offer that names others.
        """
        if not self._rids:
            self._rids = frozenset(rids)
            take = self._receiver._handle_rtcp_packet
            self._receiver._handle_rtcp_packet = partial(self._take_rtcp, take)

    def note_repair(self, ssrc: int, rid: str) -> None:
        """A source sends lost packets of a layer again (RFC 8852 section 4.3)."""
        original = self._sources.get(rid)
        if original is not None and rid in self._rids:
            repaired: dict[int, int] = self._receiver._RTCRtpReceiver__rtx_ssrc
            if len(repaired) >= MAX_SOURCES:
                repaired.clear()
            repaired[ssrc] = original

    def add(self, packet: Any) -> tuple[bool, None]:
        """Take a packet of aiortc: the first of a source, or one that was sent again."""
        if not self._names:
            self._stop_decoder()  # its thread runs by now, and is not needed
            self._names = {
                number: codec.mimeType.lower()
                for number, codec in self._receiver._RTCRtpReceiver__codecs.items()
                if not is_rtx(codec)
            }
        layer = self._layer_of(packet) if self._rids else ""
        if layer is None:
            return False, None
        if packet.ssrc != self._sources.get(layer):
            self._shorten(packet.ssrc, layer)
        self._sources[layer] = packet.ssrc
        self._take(
            VideoPacket(
                packet.ssrc,
                self._names[packet.payload_type],
                packet.sequence_number,
                packet.timestamp,
                bool(packet.marker),
                packet._data,
                layer,
            )
        )
        return False, None

    async def request_keyframe(self, layer: str = "") -> None:
        """Ask the other side for a keyframe of a layer (RFC 4585 section 6.3.1)."""
        if (ssrc := self._sources.get(layer)) is not None:
            await self._receiver._send_rtcp_pli(ssrc)

    async def request_packets(self, sequence_numbers: list[int], layer: str = "") -> None:
        """Ask the other side to send packets of a layer again (RFC 4585 section 6.2.1)."""
        if (ssrc := self._sources.get(layer)) is not None:
            await self._receiver._send_rtcp_nack(ssrc, sequence_numbers)

    def _layer_of(self, packet: Any) -> str | None:
        """The layer of a packet of aiortc; `None` if it has not been named, or not agreed."""
        named = packet.extensions.rtp_stream_id
        if named in self._rids:
            if len(self._layers) >= MAX_SOURCES:
                self._layers.clear()
            self._layers[packet.ssrc] = named
        return self._layers.get(packet.ssrc)

    async def _take_rtcp(self, take: Callable[[Any], Awaitable[None]], packet: Any) -> None:
        """Take RTCP, but for the goodbye of one layer: the others go on."""
        if not isinstance(packet, RtcpByePacket):
            await take(packet)

    def _end(self) -> None:
        self._stop_decoder()
        self._ended()

    def _shorten(self, ssrc: int, layer: str) -> None:
        """Take the packets of a source from the gate from now on."""
        counts = self._receiver._RTCRtpReceiver__remote_streams.get(ssrc)
        if counts is not None:  # otherwise all that came of it was sent again
            # SRTP leaves the SSRC in clear (RFC 3711 section 3.1).
            gate_of(self._receiver.transport).routes[ssrc.to_bytes(4)] = self._receive_from(
                counts, layer
            )

    def _receive_from(self, counts: Any, layer: str) -> Callable[[bytes], None]:
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
            self._receive(packet, bool(data[1] & 0x80), counts, layer)

        return receive

    def _receive(self, packet: ParsedPacket, marker: bool, counts: Any, layer: str) -> None:
        name = self._names.get(packet.payload_type)
        if name is None:
            return
        self._sources[layer] = packet.ssrc  # an earlier source may be back
        counts.add(packet)
        try:
            data = _depayload(name, packet.payload) if packet.payload else b""
        except ValueError:
            return  # damaged
        number, timestamp = packet.sequence_number, packet.timestamp
        self._take(VideoPacket(packet.ssrc, name, number, timestamp, marker, data, layer))

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


class Layered(Protocol):
    """The layers of one section, as `sdp.simulcast.Layering` has them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their `rid`s."""

    @property
    def rid(self) -> int:
        """The id of the header extension that names the layer of a packet."""

    @property
    def repaired(self) -> int | None:
        """That of one which names it in a packet that is sent again."""


def take_layers(pc: RTCPeerConnection, agreed: Mapping[str, Layered]) -> None:
    """Tell the layers of video apart; idempotent.

    Args:
        pc: The connection, which has both descriptions.
        agreed: The layers of sections, by mid.
    """
    for transceiver in pc.getTransceivers():
        layered = agreed.get(transceiver.mid or "")
        tap = tap_of(transceiver.receiver)
        if layered is not None and tap is not None:
            dtls: Any = transceiver.receiver.transport
            numbers = dtls._rtp_header_extensions_map._HeaderExtensionsMap__ids
            numbers.rtp_stream_id = layered.rid
            numbers.repaired_rtp_stream_id = layered.repaired
            tap.take_layers(layered.names)


def tap_of(receiver: RTCRtpReceiver) -> VideoTap | None:
    """What stands in a receiver of video, once that was bound."""
    tap: VideoTap | None = vars(receiver).get("_fastrtc_tap")
    return tap


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
