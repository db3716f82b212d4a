"""aiortc's encoder of H.264, with NAL units that fit into a packet each (RFC 6184 section 6.2).

aiortc's own packets are those of mode 1 alone: it takes large NAL units apart, and puts small ones
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from aiortc.codecs.h264 import MAX_FRAME_RATE, H264Encoder

MAX_NAL_UNIT = 1200
"""Bytes of a NAL unit; with all headers it fits into each packet that IPv6 carries."""


class SingleNalEncoder(H264Encoder):
    """Encodes pictures in slices that are small enough, and sends each as it is."""

    def _encode_frame(self, frame: av.VideoFrame, force_keyframe: bool) -> Iterator[bytes]:
        if not self._goes_on(frame):
            self.codec = codec = av.CodecContext.create("libx264", "w")
            codec.width, codec.height = frame.width, frame.height
            codec.bit_rate = self.target_bitrate
            codec.pix_fmt = "yuv420p"
            codec.framerate = Fraction(MAX_FRAME_RATE, 1)
            codec.time_base = Fraction(1, MAX_FRAME_RATE)
            codec.options = {
                "level": "31",
                "tune": "zerolatency",
                "x264-params": f"slice-max-size={MAX_NAL_UNIT}",
            }
            codec.profile = "Baseline"
        return super()._encode_frame(frame, force_keyframe)

    def _goes_on(self, frame: av.VideoFrame) -> bool:
        """Whether the encoder that is there serves; aiortc would make one of its own otherwise."""
        codec = self.codec
        return (
            codec is not None
            and codec.bit_rate is not None
            and (frame.width, frame.height) == (codec.width, codec.height)
            and abs(self.target_bitrate - codec.bit_rate) / codec.bit_rate <= 0.1
        )

    @classmethod
    def _packetize(cls, packages: Iterable[bytes]) -> list[bytes]:
        return list(packages)
