"""The video encoders of aiortc, with bit rates of the session's own."""

from __future__ import annotations

from fractions import Fraction

import av
from aiortc.codecs import depayload
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from ..media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame, is_keyframe
from .options import VideoOptions

_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)


class _Bounded:
    """Keeps `target_bitrate`, which aiortc sets from the client's REMB reports, within bounds.

    aiortc's own bounds are constants of its modules.
    """

    def __init__(self, options: VideoOptions) -> None:
        super().__init__()
        self._options = options
        self._bit_rate = options.bit_rate

    @property
    def target_bitrate(self) -> int:
        """Bits per second."""
        return self._bit_rate

    @target_bitrate.setter
    def target_bitrate(self, bit_rate: int) -> None:
        low, high = self._options.min_bit_rate, self._options.max_bit_rate
        self._bit_rate = max(low, min(high, bit_rate))


class _Vp8(_Bounded, Vp8Encoder):
    pass


class _H264(_Bounded, H264Encoder):
    pass


def make_encoder(codec: RTCRtpCodecParameters, options: VideoOptions) -> Encoder | None:
    """The encoder for a negotiated codec, or `None` for one that is not known here."""
    encoders: dict[str, type[_Vp8] | type[_H264]] = {"video/vp8": _Vp8, "video/h264": _H264}
    make = encoders.get(codec.mimeType.lower())
    return None if make is None else make(options)


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
        self._parameters = RTCRtpCodecParameters(name, VIDEO_CLOCK_RATE, payloadType=96)
        encoder = make_encoder(self._parameters, options)
        assert encoder is not None, f"there is no encoder for {codec}"
        self._encoder = encoder

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
        picture = _own(frame)
        picture.pts, picture.time_base = timestamp, _TIME_BASE
        payloads, _ = self._encoder.encode(picture, keyframe)
        data = b"".join(depayload(self._parameters, payload) for payload in payloads)
        if not data:
            return None
        return EncodedVideoFrame(self._codec, data, timestamp, is_keyframe(self._codec, data))


def _own(frame: av.VideoFrame) -> av.VideoFrame:
    """A picture that nobody else has, for encoders set its time and kind; 4:2:0, of even size."""
    width, height = max(2, frame.width & ~1), max(2, frame.height & ~1)
    picture = frame.reformat(width, height, "yuv420p")
    if picture is frame:
        picture = av.VideoFrame.from_ndarray(frame.to_ndarray(), "yuv420p")
    picture.pict_type = av.video.frame.PictureType.NONE
    return picture
