"""What an endpoint sends, as aiortc's sender knows it: each kind binds itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from aiortc import MediaStreamTrack, RTCRtpTransceiver
from aiortc.mediastreams import VIDEO_CLOCK_RATE

from ..media.arrivals import Arrivals
from ..tracks import LocalAudioTrack, LocalVideoTrack
from . import internals
from .audio_encoder import AudioTrackEncoder
from .encoded import EncodedAudio, EncodedVideo
from .internals import BitRates, EncodedFrame, TimedPicture
from .options import AudioOptions, VideoOptions
from .video_encoders import make_encoder

Failed = Callable[[Exception], None]
"""Told of what could not be sent; it is left out."""


MAX_FORWARDED = 10_000_000
"""Up to which bit rate, in bit/s, a line is estimated over which encoded pictures are sent."""


def bit_rates_of(options: VideoOptions) -> BitRates:
    """Those of a sender whose pictures are encoded by these options."""
    return BitRates(options.bit_rate, options.min_bit_rate, options.max_bit_rate)


class Outgoing(MediaStreamTrack):
    """What a sender is known by; what it sends passes aiortc's own loop by.

    Args:
        failed: Told of what could not be sent.

    Attributes:
        encoder: That of audio which is encoded here.
    """

    encoder: AudioTrackEncoder | None = None

    def __init__(self, failed: Failed) -> None:
        super().__init__()
        self._failed = failed

    def bind(self, transceiver: RTCRtpTransceiver) -> None:
        """Have the sender of a section send this; one that has not been started."""
        raise NotImplementedError

    async def recv(self) -> Any:
        """Nobody calls it: see `internals.send_directly` and its like."""
        raise NotImplementedError


class OutgoingAudio(Outgoing):
    """Audio that is encoded here.

    Args:
        track: What to send.
        options: How to encode it.
        failed: Told of a frame that could not be encoded; it is left out.
    """

    kind = "audio"
    encoder: AudioTrackEncoder

    def __init__(self, track: LocalAudioTrack, options: AudioOptions, failed: Failed) -> None:
        super().__init__(failed)
        self._track = track
        track.set_frame_duration(options.frame_duration)
        source = track.source
        self.encoder = AudioTrackEncoder(source.sample_rate, source.num_channels, options)
        self._arrivals = Arrivals(source.played)
        track.arrived = source.played

    async def next_frame(self) -> EncodedFrame:
        """Wait for the next frame, and encode it.

        Raises:
            EndOfStreamError: If the source of the track is closed.
        """
        while True:
            frame = await self._track.next_frame()
            try:
                return self.encoder.encode(frame)
            except Exception as error:
                self._failed(error)

    def bind(self, transceiver: RTCRtpTransceiver) -> None:
        """Send packet by packet."""
        internals.send_directly(transceiver.sender, self.next_frame, self._failed, self)

    def note_sent(self, number: int) -> None:
        """The last frame was sent, with this sequence number."""
        self._arrivals.note_sent(number, self._track.source.played)

    def note_report(self, highest: int) -> None:
        """The client has got this sequence number."""
        self._arrivals.note_report(highest)
        self._track.arrived = self._arrivals.position


class OutgoingPackets(Outgoing):
    """Audio that is encoded already.

    Args:
        track: What to send.
        failed: Told of a packet that could not be sent.
    """

    kind = "audio"

    def __init__(self, track: EncodedAudio, failed: Failed) -> None:
        super().__init__(failed)
        self._track = track

    def bind(self, transceiver: RTCRtpTransceiver) -> None:
        """Send packet by packet."""
        internals.send_directly(transceiver.sender, self._track.next_frame, self._failed)


class OutgoingVideo(Outgoing):
    """Pictures that are encoded here, timed by the clock of the session.

    Args:
        track: What to send.
        options: How to encode it.
        failed: Told of a picture that could not be encoded.
    """

    kind = "video"

    def __init__(self, track: LocalVideoTrack, options: VideoOptions, failed: Failed) -> None:
        super().__init__(failed)
        self._track = track
        self._options = options
        self._last = -1

    async def next_picture(self) -> TimedPicture:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the source of the track is closed.
        """
        frame, time = await self._track.next_frame()
        # Packets of one timestamp are one picture (RFC 7741 section 4.1, RFC 6184 section 5.1).
        self._last = max(self._last + 1, round(time * VIDEO_CLOCK_RATE))
        return TimedPicture(frame, self._last)

    def bind(self, transceiver: RTCRtpTransceiver) -> None:
        """Encode by the codec that was negotiated."""
        options = self._options
        internals.send_pictures(
            transceiver.sender,
            self.next_picture,
            lambda codec: make_encoder(codec, options),
            bit_rates_of(options),
            self._failed,
        )


class OutgoingPictures(Outgoing):
    """Pictures that are encoded already.

    Args:
        track: What to send.
        options: What the line is taken for to begin with.
        failed: Told of a picture that could not be sent.
    """

    kind = "video"

    def __init__(self, track: EncodedVideo, options: VideoOptions, failed: Failed) -> None:
        super().__init__(failed)
        self._track = track
        start, low, high = bit_rates_of(options)
        self._bit_rates = BitRates(start, low, max(high, MAX_FORWARDED))

    def bind(self, transceiver: RTCRtpTransceiver) -> None:
        """Send what comes, in the codecs that the other side takes."""
        track = self._track
        track.codecs = internals.negotiated_codecs(transceiver)
        track.downlink = internals.send_encoded(
            transceiver.sender,
            track.next_frame,
            lambda: track.keyframe_requested(),
            self._bit_rates,
            self._failed,
        )


@singledispatch
def outgoing_of(track: Any, audio: AudioOptions, video: VideoOptions, failed: Failed) -> Outgoing:
    """What sends a track.

    Args:
        track: One of the four kinds that can be sent.
        audio: How it is encoded, if it is audio that is not.
        video: The same for video.
        failed: Told of what could not be sent.

    Raises:
        TypeError: If it is of another kind.
    """
    raise TypeError(f"{type(track).__name__} cannot be sent")


@outgoing_of.register
def _(track: LocalAudioTrack, audio: AudioOptions, video: VideoOptions, failed: Failed) -> Outgoing:
    return OutgoingAudio(track, audio, failed)


@outgoing_of.register
def _(track: LocalVideoTrack, audio: AudioOptions, video: VideoOptions, failed: Failed) -> Outgoing:
    return OutgoingVideo(track, video, failed)


@outgoing_of.register
def _(track: EncodedAudio, audio: AudioOptions, video: VideoOptions, failed: Failed) -> Outgoing:
    return OutgoingPackets(track, failed)


@outgoing_of.register
def _(track: EncodedVideo, audio: AudioOptions, video: VideoOptions, failed: Failed) -> Outgoing:
    return OutgoingPictures(track, video, failed)
