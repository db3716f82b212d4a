"""Encoders of video: their settings, and when another one takes over."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, ClassVar

import av
from aiortc.codecs import depayload
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.frame import PictureType

from ..media.picture_ladder import PictureLadder
from ..media.pictures import PictureConverter
from ..media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame, is_keyframe
from .cores import threads_for
from .options import VideoOptions, VideoPreset
from .sdp.h264 import is_single

_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)

FRAME_RATE = 30
"""Pictures a second that an encoder begins with; it goes by their times."""

KEYFRAME_EVERY = 3000
"""Pictures; a keyframe comes when it is asked for, and costs as much as ten others."""

MAX_NAL_UNIT = 1200
"""Bytes of a NAL unit that is sent in one packet; with all headers it fits into each of IPv6."""

LESS, MORE = 0.85, 1.25
"""How far the target may be from the bit rate of an encoder."""

MUCH_LESS, MUCH_MORE = 0.6, 1.8
"""The same for longer than a moment."""

MAX_PAUSE = 1.5
"""Usual intervals between two pictures that an encoder is told of, however long it was."""

AT_ONCE, SOON, LATER, LATE = 0.3, 1.0, 2.0, 4.0
"""Time in s that an encoder lasts at least when the target has fallen by much, when it has fallen,
when it has risen by much, and when it has risen."""


class VideoEncoder:
    """Encodes pictures of any size and format, and leaves each as it is.

    It keeps `target_bitrate` within bounds. FFmpeg's encoder of VP8 keeps the bit rate that it
    began with. So another bit rate takes another encoder, which begins with a keyframe: not for
    each small change, and at once where there is to be a keyframe anyway. That of H.264 follows.

    Where the bit rate does not do, pictures become smaller or fewer; see `PictureLadder`.

    Args:
        options: How to encode.

    Attributes:
        encoders: How many there have been.
        held: For how long in s the next picture was held back, since its line was full.
        blocked: For how long in s it had to wait for this, and for those before to be sent.
        ladder: How large pictures are, and how many of them are sent.
    """

    def __init__(self, options: VideoOptions) -> None:
        super().__init__()
        self.encoders = 0
        self.held = self.blocked = 0.0
        self._options = options
        self._target = options.bit_rate
        self._pictures = PictureConverter()
        self.ladder = PictureLadder(
            options.content, options.frame_rate, options.scale_down_by, options.max_size
        )
        self._context: Any = None
        self._rate = 0
        """Of the encoder that is there, in bit/s."""
        self._begun = 0
        """When that began, on the clock of the pictures."""
        self._last: int | None = None
        """When the picture before came, and its time as the encoder was told."""
        self._told = 0

    @property
    def target_bitrate(self) -> int:
        """Bits per second."""
        return self._target

    @target_bitrate.setter
    def target_bitrate(self, bit_rate: int) -> None:
        low, high = self._options.min_bit_rate, self._options.max_bit_rate
        self._target = max(low, min(high, bit_rate))

    def takes(self, timestamp: int) -> bool:
        """Whether a picture that comes at this time is to be encoded; it is asked of each."""
        return self.ladder.takes(timestamp / VIDEO_CLOCK_RATE, self.blocked)

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
        time = timestamp / VIDEO_CLOCK_RATE
        try:
            self.ladder.look(frame.width, frame.height, self._target, time)
            size = self.ladder.size(frame.width, frame.height)
            picture = self._pictures.scaled(frame, *size)
            context = self._context
            if (
                context is None
                or size != (context.width, context.height)
                or self._is_due(timestamp, keyframe)
            ):
                context = self._context = self._open(*size, self._target)
                self._rate, self._begun = self._target, timestamp
                self.encoders += 1
                self.ladder.restart(time)
            picture.pict_type = PictureType.I if keyframe else PictureType.NONE
            picture.pts, picture.time_base = self._told_time(timestamp), _TIME_BASE
            data = b"".join(bytes(packet) for packet in context.encode(picture))
            self.ladder.note(8 * len(data), self._rate, time, self.held)
            return self._payloads(data)
        except Exception:
            self._context = None
            raise

    def _told_time(self, timestamp: int) -> int:
        """The time of a picture for the encoder, which does not know of pauses.

        Where the line was full, or the machine busy, it would make up for that with a picture as
        large as the pause is long, for which the line would be full for as long again.
        """
        if self._last is not None:
            passed = (timestamp - self._last) / VIDEO_CLOCK_RATE
            counted = min(passed, MAX_PAUSE * self.ladder.interval)
            self._told += max(1, round(counted * VIDEO_CLOCK_RATE))
        self._last = timestamp
        return self._told

    def _is_due(self, timestamp: int, keyframe: bool) -> bool:
        """Whether the target is far enough from the bit rate that there is, for long enough."""
        change = self._target / self._rate
        if self._follows:
            if not 0.98 < change < 1.02:
                self._context.bit_rate = self._rate = self._target
            return False
        if keyframe:
            return not 0.95 < change < 1.05
        lasted = (timestamp - self._begun) / VIDEO_CLOCK_RATE
        return (
            (change < MUCH_LESS and lasted >= AT_ONCE)
            or (change < LESS and lasted >= SOON)
            or (change > MUCH_MORE and lasted >= LATER)
            or (change > MORE and lasted >= LATE)
        )

    def _open(self, width: int, height: int, bit_rate: int) -> Any:
        """An encoder, to begin with a keyframe."""
        context: Any = av.CodecContext.create(self._name, "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.bit_rate = bit_rate
        context.framerate, context.time_base = Fraction(FRAME_RATE), _TIME_BASE
        context.gop_size = KEYFRAME_EVERY
        context.thread_count = threads_for(width * height)
        self._set_up(context, bit_rate)
        return context

    _name: str
    """FFmpeg's."""

    _follows = False
    """Whether it takes another bit rate as it goes."""

    @abstractmethod
    def _set_up(self, context: Any, bit_rate: int) -> None:
        """Settings of a codec."""

    @abstractmethod
    def _payloads(self, data: bytes) -> list[bytes]:
        """An encoded picture in packets."""


class _Vp8(VideoEncoder, Vp8Encoder):
    """VP8, in the packets that aiortc makes of it (RFC 7741)."""

    _name = "libvpx"
    _SPEEDS: ClassVar[dict[VideoPreset, int]] = {"fast": -12, "balanced": -8, "quality": -4}

    def _set_up(self, context: Any, bit_rate: int) -> None:
        context.qmin, context.qmax = 2, 56
        context.options = {
            "deadline": "realtime",
            "cpu-used": str(self._SPEEDS[self._options.preset]),
            # The denoiser takes 1.2 ms of a picture of 640x480, and makes none better.
            "noise-sensitivity": "0",
            "lag-in-frames": "0",
            # A constant bit rate, over 1 s.
            "minrate": str(bit_rate),
            "maxrate": str(bit_rate),
            "bufsize": str(bit_rate),
            "overshoot-pct": "15",
            "undershoot-pct": "100",
            # A keyframe has the bits of so many per cent of a usual picture, and no more.
            "max-intra-rate": "600",
            # Where even the coarsest pictures are too large: fewer of them.
            "drop-threshold": "30",
            "static-thresh": "1",
        }

    def _payloads(self, data: bytes) -> list[bytes]:
        payloads = self._packetize(data, self.picture_id)
        self.picture_id = (self.picture_id + 1) % (1 << 15)
        return payloads


class _H264(VideoEncoder, H264Encoder):
    """H.264, in the packets that aiortc makes of it: those of mode 1 (RFC 6184 section 6.3)."""

    _name = "libx264"
    _follows = True
    _PRESETS: ClassVar[dict[VideoPreset, str]] = {
        "fast": "ultrafast",
        "balanced": "superfast",
        "quality": "veryfast",
    }
    _more: ClassVar[dict[str, str]] = {}

    def _set_up(self, context: Any, bit_rate: int) -> None:
        highest = self._options.max_bit_rate
        context.profile = "Baseline"
        context.options = {
            "preset": self._PRESETS[self._options.preset],
            "tune": "zerolatency",
            "level": "31",
            "maxrate": str(highest),
            "bufsize": str(highest // 2),
            **self._more,
        }
        # x264 changes only a constant bit rate as it goes, and never to one above the first.
        context.bit_rate = highest
        context.open()
        context.bit_rate = bit_rate

    def _payloads(self, data: bytes) -> list[bytes]:
        return self._packetize(self._split_bitstream(data))


class _SingleH264(_H264):
    """H.264 in NAL units that fit into a packet each (RFC 6184 section 6.2)."""

    _more: ClassVar[dict[str, str]] = {"x264-params": f"slice-max-size={MAX_NAL_UNIT}"}

    @classmethod
    def _packetize(cls, packages: Iterable[bytes]) -> list[bytes]:
        return list(packages)


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
        if not self._encoder.takes(timestamp) and not keyframe:
            return None
        payloads = self._encoder.encode_picture(frame, timestamp, keyframe)
        data = b"".join(depayload(self._parameters, payload) for payload in payloads)
        if not data:
            return None
        return EncodedVideoFrame(self._codec, data, timestamp, is_keyframe(self._codec, data))
