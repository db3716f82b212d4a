"""A session's local tracks as aiortc's sender pulls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import VIDEO_CLOCK_RATE

from ..media.video_frames import EncodedVideoFrame
from ..tracks import LocalAudioTrack, LocalVideoTrack, Track, TrackKind
from ..tracks.ring import Ring
from .audio_encoder import AudioTrackEncoder
from .internals import EncodedFrame, TimedPicture
from .options import AudioOptions

MAX_PACKETS = 10
"""Encoded packets that may wait to be sent: 200 ms."""

MAX_PICTURES = 30
"""Encoded pictures that may wait to be sent: 1 s. Then all are dropped until the next keyframe."""


class OutgoingAudio(MediaStreamTrack):
    """What a sender of audio is known by; its packets pass aiortc's own loop by.

    Args:
        track: What to send.
        options: How to encode it.
        failed: Told of a frame that could not be encoded; it is left out.
    """

    kind = "audio"

    def __init__(
        self,
        track: LocalAudioTrack,
        options: AudioOptions,
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__()
        self._track = track
        self._failed = failed
        track.set_frame_duration(options.frame_duration)
        source = track.source
        self.encoder = AudioTrackEncoder(source.sample_rate, source.num_channels, options)

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

    async def recv(self) -> av.Packet[Any]:
        """Nobody calls it: see `internals.send_directly`."""
        raise NotImplementedError


class EncodedAudio(Track[bytes]):
    """Audio that comes encoded: of one encoder for several peers, for example.

    What is not sent in time is dropped, the oldest first, and counted.
    """

    kind: TrackKind = "audio"
    published = True

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._packets: Ring[EncodedFrame] = Ring(MAX_PACKETS)

    @property
    def dropped(self) -> int:
        """Packets that were dropped."""
        return self._packets.dropped

    def push(self, frame: EncodedFrame) -> None:
        """Send a packet next."""
        self._packets.put(frame)

    async def next_frame(self) -> EncodedFrame:
        """Wait for the next packet.

        Raises:
            EndOfStreamError: If the track has ended.
        """
        return await self._packets.get()

    def end(self) -> None:
        """End the track; idempotent."""
        super().end()
        self._packets.end()


class OutgoingPackets(MediaStreamTrack):
    """What a sender of audio that is encoded already is known by.

    Args:
        track: What to send.
    """

    kind = "audio"

    def __init__(self, track: EncodedAudio) -> None:
        super().__init__()
        self.next_frame = track.next_frame

    async def recv(self) -> av.Packet[Any]:
        """Nobody calls it: see `internals.send_directly`."""
        raise NotImplementedError


class OutgoingVideo(MediaStreamTrack):
    """What a sender of pictures is known by; they are timed by the clock of the session.

    Args:
        track: What to send.
    """

    kind = "video"

    def __init__(self, track: LocalVideoTrack) -> None:
        super().__init__()
        self._track = track
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

    async def recv(self) -> av.VideoFrame:
        """Nobody calls it: see `internals.send_pictures`."""
        raise NotImplementedError


class EncodedVideo(Track[EncodedVideoFrame]):
    """Video that comes encoded: of a camera elsewhere, for example.

    What is not sent in time is dropped up to the next keyframe, which is asked for, and counted.

    Attributes:
        codecs: MIME types that the other side takes, in lower case, best first; known once the
            connection was negotiated.
        keyframe_requested: Called when the other side, or this track, needs a keyframe.
    """

    kind: TrackKind = "video"
    published = True

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.codecs: tuple[str, ...] = ()
        self.keyframe_requested: Callable[[], None] = lambda: None
        self._pictures: Ring[EncodedVideoFrame] = Ring(MAX_PICTURES)
        self._skipping = False
        self._skipped = 0

    @property
    def dropped(self) -> int:
        """Pictures that were dropped."""
        return self._pictures.dropped + self._skipped

    def push(self, frame: EncodedVideoFrame) -> None:
        """Send a picture next."""
        if len(self._pictures) >= MAX_PICTURES:
            self._pictures.clear()
            self._skipping = True
        self._skipping = self._skipping and not frame.keyframe
        if self._skipping:
            self._skipped += 1
            self.keyframe_requested()
        else:
            self.frames += 1
            self._pictures.put(frame)

    async def next_frame(self) -> EncodedVideoFrame:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the track has ended.
        """
        return await self._pictures.get()

    def end(self) -> None:
        """End the track; idempotent."""
        super().end()
        self._pictures.end()


class OutgoingPictures(MediaStreamTrack):
    """What a sender of video that is encoded already is known by."""

    kind = "video"

    async def recv(self) -> av.Packet[Any]:
        """Nobody calls it: see `internals.send_encoded`."""
        raise NotImplementedError
