"""The video encoders of aiortc, with bit rates of the session's own."""

from __future__ import annotations

from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from .options import VideoOptions


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
