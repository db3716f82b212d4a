"""Pictures on their way out, past aiortc's own loop: encoded, packed, and sent when they may be."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeVar

import av
from aiortc import RTCRtpSender
from aiortc.codecs import get_encoder, is_rtx
from aiortc.codecs.base import Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import RtpPacket

from ...errors import EndOfStreamError
from ...media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame
from ..workers import picture_workers
from .flow import Flow
from .line import BitRates

logger = logging.getLogger(__name__)

_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)

P = TypeVar("P")


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
    """In bit/s; set before each picture."""

    held: float
    """For how long in s the next picture was held back; set before each as well."""

    blocked: float
    """The same, and for how long those before were being sent."""

    def takes(self, timestamp: int) -> bool:
        """Whether a picture is to be sent that comes at this time; it is asked of each."""

    def encode_picture(self, frame: av.VideoFrame, timestamp: int, keyframe: bool) -> list[bytes]:
        """The payloads of the packets of a picture, made on a thread."""


def send_pictures(
    sender: RTCRtpSender,
    next_picture: Callable[[], Awaitable[TimedPicture]],
    make_encoder: Callable[[RTCRtpCodecParameters], PictureEncoding],
    bit_rates: BitRates,
    failed: Callable[[Exception], None],
) -> None:
    """Encode pictures, each on a thread, and send them.

    Args:
        sender: One of video, that has not been started.
        next_picture: Waits for the next picture; ends the sender with `EndOfStreamError`.
        make_encoder: Called once, with the negotiated codec.
        bit_rates: What to begin with, and its bounds.
        failed: Told of a picture that could not be sent; it is left out.
    """
    private: Any = sender
    loop = asyncio.get_running_loop()
    flow = Flow(sender, bit_rates)
    encoder: PictureEncoding | None = None

    async def payloads_of(picture: TimedPicture, codec: RTCRtpCodecParameters) -> _Payloads | None:
        nonlocal encoder
        frame, timestamp = picture
        if encoder is None:
            encoder = make_encoder(codec)
        encoder.held, encoder.blocked = flow.held, flow.take_blocked()
        if not encoder.takes(timestamp):
            return None
        encoder.target_bitrate = flow.encoder_bit_rate
        keyframe = private._RTCRtpSender__force_keyframe
        private._RTCRtpSender__force_keyframe = False
        payloads = await loop.run_in_executor(
            picture_workers(), encoder.encode_picture, frame, timestamp, keyframe
        )
        return _Payloads(codec.payloadType or 0, timestamp, payloads)

    _replace_loop(private, flow, next_picture, payloads_of, failed)


def send_encoded(
    sender: RTCRtpSender,
    next_frame: Callable[[], Awaitable[EncodedVideoFrame]],
    keyframe_requested: Callable[[], None],
    bit_rates: BitRates,
    failed: Callable[[Exception], None],
) -> Flow:
    """Send encoded pictures, each in its own codec, if that was negotiated.

    Args:
        sender: One of video, that has not been started.
        next_frame: Waits for the next picture; ends the sender with `EndOfStreamError`.
        keyframe_requested: Called when the other side asks for a keyframe.
        bit_rates: What the line is taken for to begin with, and bounds of its estimate.
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
    flow = Flow(sender, bit_rates, forwards=True)
    _replace_loop(private, flow, next_frame, payloads_of, failed)
    return flow


class _Payloads(NamedTuple):
    """The packets of a picture."""

    payload_type: int
    timestamp: int
    payloads: list[bytes]


def _replace_loop(
    sender: Any,
    flow: Flow,
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
                await flow.wait_for_room()
                picture = await next_picture()
                if not sender._enabled:
                    continue
                try:
                    if (sent := await payloads_of(picture, codec)) is None:
                        continue
                    packets = _packets(sent)
                    for packet in packets:
                        packet.sequence_number = sequence_number
                        packet.timestamp = (origin + sent.timestamp) & 0xFFFFFFFF
                        packet.ssrc = sender._ssrc
                        sequence_number = (sequence_number + 1) & 0xFFFF
                    await flow.send(packets)
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
            flow.close()
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
