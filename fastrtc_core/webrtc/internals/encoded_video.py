"""Encoded pictures past the codecs of aiortc: as they come, and as they are to be sent."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeVar

import av
import pylibsrtp
from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver, clock
from aiortc.codecs import get_encoder, is_rtx
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import h264_depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTP_HISTORY_SIZE,
    RtcpPsfbPacket,
    RtpPacket,
    pack_remb_fci,
)

from ...errors import EndOfStreamError
from ...media.rtp import RtpPacket as ParsedPacket
from ...media.rtp import find_extension, parse_packet
from ...media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame, vp8_payload
from ..workers import picture_workers
from .gate import gate_of

logger = logging.getLogger(__name__)

_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)

P = TypeVar("P")


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


class TimedPicture(NamedTuple):
    """A picture to encode and send.

    Attributes:
        frame: The picture.
        timestamp: At `VIDEO_CLOCK_RATE`, from any beginning; later than the one before.
    """

    frame: av.VideoFrame
    timestamp: int


class PictureEncoding(Protocol):
    """What encodes the pictures of a sender."""

    target_bitrate: int
    """In bit/s; aiortc sets it to what the other side says that it can take (REMB)."""

    def encode_picture(self, frame: av.VideoFrame, timestamp: int, keyframe: bool) -> list[bytes]:
        """The payloads of the packets of a picture, made on a thread."""


def send_pictures(
    sender: RTCRtpSender,
    next_picture: Callable[[], Awaitable[TimedPicture]],
    make_encoder: Callable[[RTCRtpCodecParameters], PictureEncoding],
    failed: Callable[[Exception], None],
) -> None:
    """Encode pictures, each on a thread, and send them.

    Args:
        sender: One of video, that has not been started.
        next_picture: Waits for the next picture; ends the sender with `EndOfStreamError`.
        make_encoder: Called once, with the negotiated codec.
        failed: Told of a picture that could not be sent; it is left out.
    """
    private: Any = sender
    loop = asyncio.get_running_loop()

    async def payloads_of(picture: TimedPicture, codec: RTCRtpCodecParameters) -> _Payloads | None:
        frame, timestamp = picture
        if private._RTCRtpSender__encoder is None:
            private._RTCRtpSender__encoder = make_encoder(codec)
        encoder: PictureEncoding = private._RTCRtpSender__encoder
        keyframe = private._RTCRtpSender__force_keyframe
        private._RTCRtpSender__force_keyframe = False
        payloads = await loop.run_in_executor(
            picture_workers(), encoder.encode_picture, frame, timestamp, keyframe
        )
        return _Payloads(codec.payloadType or 0, timestamp, payloads)

    _replace_loop(private, next_picture, payloads_of, failed)


def send_encoded(
    sender: RTCRtpSender,
    next_frame: Callable[[], Awaitable[EncodedVideoFrame]],
    keyframe_requested: Callable[[], None],
    failed: Callable[[Exception], None],
) -> None:
    """Send encoded pictures, each in its own codec, if that was negotiated.

    Args:
        sender: One of video, that has not been started.
        next_frame: Waits for the next picture; ends the sender with `EndOfStreamError`.
        keyframe_requested: Called when the other side asks for a keyframe.
        failed: Told of a picture that could not be sent; it is left out.
    """
    private: Any = sender
    original = sender.send
    forms: dict[str, _Form] = {}

    async def send(parameters: RTCRtpSendParameters) -> None:
        if not forms:
            forms.update(_forms(parameters.codecs))
        await original(parameters)

    async def payloads_of(
        frame: EncodedVideoFrame, codec: RTCRtpCodecParameters
    ) -> _Payloads | None:
        form = forms.get(frame.codec)
        if form is None:
            return None
        private._RTCRtpSender__rtx_payload_type = form.retransmission
        whole = av.Packet(frame.data)
        whole.pts, whole.time_base = frame.timestamp, _TIME_BASE
        try:
            payloads, _ = form.packer.pack(whole)
        except Exception:
            # The picture is a stranger's: what cannot be packed ends nothing but itself.
            logger.debug("a picture could not be packed", exc_info=True)
            keyframe_requested()
            return None
        return _Payloads(form.payload_type, frame.timestamp, payloads)

    private.send = send
    private._send_keyframe = keyframe_requested
    _replace_loop(private, next_frame, payloads_of, failed)


class _Payloads(NamedTuple):
    """The packets of a picture."""

    payload_type: int
    timestamp: int
    payloads: list[bytes]


def _replace_loop(
    sender: Any,
    next_picture: Callable[[], Awaitable[P]],
    payloads_of: Callable[[P, RTCRtpCodecParameters], Awaitable[_Payloads | None]],
    failed: Callable[[Exception], None],
) -> None:
    """Send one picture after the other, past aiortc's own loop, which any error ends in silence.

    Lost packets are sent again, and reports are made, as aiortc does it.
    """

    async def run(codec: RTCRtpCodecParameters) -> None:
        sender._RTCRtpSender__rtp_started.set()
        # The lower half, because SRTP cannot follow if an early packet is lost at the wrap.
        sequence_number, origin = random.randrange(1 << 15), random.randrange(1 << 32)
        try:
            while True:
                picture = await next_picture()
                if not sender._enabled:
                    continue
                try:
                    if (sent := await payloads_of(picture, codec)) is None:
                        continue
                    for packet in _packets(sent):
                        packet.sequence_number = sequence_number
                        packet.timestamp = (origin + sent.timestamp) & 0xFFFFFFFF
                        packet.ssrc = sender._ssrc
                        sequence_number = (sequence_number + 1) & 0xFFFF
                        await _send_packet(sender, packet)
                except ConnectionError:
                    raise
                except Exception as error:
                    # What comes next cannot be decoded without this picture.
                    sender._send_keyframe()
                    failed(error)
        except (asyncio.CancelledError, ConnectionError, EndOfStreamError):
            pass
        except Exception as error:
            failed(error)
        finally:
            sender._RTCRtpSender__rtp_exited.set()  # its `stop` waits for this

    sender._run_rtp = run


def _packets(picture: _Payloads) -> list[RtpPacket]:
    packets = [
        RtpPacket(payload_type=picture.payload_type, payload=payload)
        for payload in picture.payloads
    ]
    if packets:
        packets[-1].marker = 1
    return packets


class _Form(NamedTuple):
    """How pictures of one codec are sent."""

    payload_type: int
    retransmission: int | None
    packer: Encoder


def _forms(codecs: Sequence[RTCRtpCodecParameters]) -> dict[str, _Form]:
    again = {codec.parameters.get("apt"): codec.payloadType for codec in codecs if is_rtx(codec)}
    forms: dict[str, _Form] = {}
    for codec in codecs:
        name = codec.mimeType.lower()
        if not is_rtx(codec) and name not in forms:
            number = codec.payloadType or 0
            forms[name] = _Form(number, again.get(number), get_encoder(codec))
    return forms


async def _send_packet(sender: Any, packet: RtpPacket) -> None:
    packet.extensions.abs_send_time = (clock.current_ntp_time() >> 14) & 0x00FFFFFF
    packet.extensions.mid = sender._RTCRtpSender__mid
    sender._RTCRtpSender__rtp_history[packet.sequence_number % RTP_HISTORY_SIZE] = packet
    await sender.transport._send_rtp(
        packet.serialize(sender._RTCRtpSender__rtp_header_extensions_map)
    )
    sender._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()
    sender._RTCRtpSender__rtp_timestamp = packet.timestamp
    sender._RTCRtpSender__octet_count += len(packet.payload)
    sender._RTCRtpSender__packet_count += 1
