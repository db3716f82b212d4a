"""The video encoders of aiortc, with bit rates of the session's own."""

from __future__ import annotations

from fractions import Fraction

import av
from aiortc.codecs import depayload
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.codeccontext import VideoCodecContext

from ..media.pictures import PictureConverter
from ..media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame, is_keyframe
from . import internals
from .options import VideoOptions
from .sdp.h264 import is_single

_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)

internals.count_usable_cores()


class VideoEncoder(Encoder):
    """Encodes pictures of any size and format, and leaves each as it is.

    It keeps `target_bitrate`, which aiortc sets from the client's REMB reports, within bounds;
    aiortc's own are constants of its modules.
    """

    codec: VideoCodecContext | None

    def __init__(self, options: VideoOptions) -> None:
        super().__init__()
        self._options = options
        self._bit_rate = options.bit_rate
        self._pictures = PictureConverter()

    @property
    def target_bitrate(self) -> int:
        """Bits per second."""
        return self._bit_rate

    @target_bitrate.setter
    def target_bitrate(self, bit_rate: int) -> None:
        low, high = self._options.min_bit_rate, self._options.max_bit_rate
        self._bit_rate = max(low, min(high, bit_rate))

    def encode_picture(self, frame: av.VideoFrame, timestamp: int, keyframe: bool) -> list[bytes]:
        """Encode a picture; it takes some ms, on one thread at a time.

        Args:
            frame: The picture; others may look at it, and convert it, meanwhile.
            timestamp: At `VIDEO_CLOCK_RATE`, later than the one before.
            keyframe: Whether a decoder is to begin with it.

        Returns:
            What is to be sent, packet by packet; nothing if the encoder leaves the picture out.

        Raises:
            Exception: Whatever the encoder does; the next picture is a keyframe of a new one.
        """
        try:
            picture = self._pictures.for_encoder(frame)
            picture.pts, picture.time_base = timestamp, _TIME_BASE
            payloads, _ = self.encode(picture, keyframe)
        except Exception:
            self.codec = None
            raise
        return payloads


class _Vp8(VideoEncoder, Vp8Encoder):
    pass


class _H264(VideoEncoder, H264Encoder):
    pass


class _SingleH264(VideoEncoder, internals.SingleNalEncoder):
    pass


def make_encoder(codec: RTCRtpCodecParameters, options: VideoOptions) -> VideoEncoder:
    """The encoder for a negotiated codec, of which there are two; H.264 in the mode of its packets.

    Raises:
        KeyError: If it is another one.
    """
    encoders: dict[str, type[VideoEncoder]] = {"video/vp8": _Vp8, "video/h264": _H264}
    name = codec.mimeType.lower()
    if name == "video/h264" and is_single(codec.parameters):
        return _SingleH264(options)
    return encoders[name](options)


class PictureEncoder:
    """Encodes pictures for several peers: whole, and not yet in packets.

    Args:
        codec: `video/vp8` or `video/h264`.
        options: How to encode.
    """

    def __init__(self, codec: str, options: VideoOptions) -> None:
        self._codec = codec
        # aiortc takes the payload apart by the name in capitals.
        name = f"video/{codec.removeprefix('video/').upper()}"
        self._parameters = RTCRtpCodecParameters(
            name, VIDEO_CLOCK_RATE, payloadType=96, parameters={"packetization-mode": "1"}
        )
        self._encoder = make_encoder(self._parameters, options)

    def encode(
        self, frame: av.VideoFrame, timestamp: int, *, keyframe: bool
    ) -> EncodedVideoFrame | None:
        """Encode a picture, which may be of any size and format; it takes some ms.

        Args:
            frame: The picture; it is left as it is.
            timestamp: At `VIDEO_CLOCK_RATE`, later than the one before.
            keyframe: Whether a decoder is to begin with it.

        Returns:
            The picture, or `None` if the encoder leaves it out.
        """
        payloads = self._encoder.encode_picture(frame, timestamp, keyframe)
        data = b"".join(depayload(self._parameters, payload) for payload in payloads)
        if not data:
            return None
        return EncodedVideoFrame(self._codec, data, timestamp, is_keyframe(self._codec, data))
