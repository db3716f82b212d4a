"""What sections send that are used again: one track after another, on one clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import VIDEO_CLOCK_RATE

from ..errors import EndOfStreamError
from ..tracks import LocalAudioTrack, LocalVideoTrack
from . import internals
from .audio_encoder import CLOCK_RATE, AudioTrackEncoder
from .internals import EncodedFrame, TimedPicture
from .options import AudioOptions, VideoOptions
from .outgoing import Failed, Outgoing, bit_rates_of, outgoing_of
from .video_encoders import make_encoder

T = TypeVar("T")
LocalTrack = LocalAudioTrack | LocalVideoTrack


class Outlet(MediaStreamTrack):
    """What a section sends.

    Args:
        audio, video: How tracks are encoded.
        failed: Told of what could not be encoded; it is left out.

    Attributes:
        track: What it sends now.
    """

    clock_rate: int
    """Of its RTP timestamps, in Hz."""

    def __init__(self, audio: AudioOptions, video: VideoOptions, failed: Failed) -> None:
        super().__init__()
        self.track: LocalTrack | None = None
        self._audio = audio
        self._video = video
        self._failed = failed
        self._outgoing: Outgoing | None = None
        self._now = asyncio.get_running_loop().time
        self._filled = asyncio.Event()
        self._reading: asyncio.Timeout | None = None
        self._offset: int | None = 0
        """What is added to the time stamps of the track; `None` before its first one."""
        self._latest, self._latest_at = 0, 0.0

    @property
    def encoder(self) -> AudioTrackEncoder | None:
        """That of the track, if it is audio."""
        return None if self._outgoing is None else self._outgoing.encoder

    def bind(self, sender: RTCRtpSender) -> None:
        """Have a sender send what this carries; one that has not been started."""
        raise NotImplementedError

    def carry(self, track: LocalTrack | None, *, held: bool = False) -> None:
        """Send a track from now on, or nothing; one that is held, from `begin` on."""
        if self.track is not None:
            self.track.published = False
        self.track, self._outgoing, self._offset = track, None, None
        self._filled.clear()
        if track is not None:
            self._outgoing = outgoing_of(track, self._audio, self._video, self._failed)
            track.published = True
            if not held:
                self._filled.set()
        if self._reading is not None:  # it may wait for a frame that never comes
            self._reading.reschedule(self._now())

    def begin(self) -> None:
        """Send the track that was held; idempotent."""
        if self.track is not None:
            self._filled.set()

    async def recv(self) -> Any:
        """Nobody calls it: see `internals.send_directly` and `internals.send_pictures`."""
        raise NotImplementedError

    async def _read(self, read: Callable[[Any], Awaitable[T]]) -> T:
        while True:
            await self._filled.wait()
            outgoing = self._outgoing
            try:
                async with asyncio.timeout(None) as self._reading:
                    return await read(outgoing)
            except TimeoutError:
                continue  # another track, or none
            except EndOfStreamError:
                if outgoing is self._outgoing:
                    self._filled.clear()  # the track has ended; the section has not
            finally:
                self._reading = None

    def _timestamp(self, timestamp: int) -> int:
        """Go on from the track before: each has a clock of its own."""
        now = self._now()
        if self._offset is None:
            passed = round((now - self._latest_at) * self.clock_rate)
            self._offset = self._latest + max(1, passed) - timestamp
        self._latest, self._latest_at = timestamp + self._offset, now
        return self._latest


class AudioOutlet(Outlet):
    """What a section of audio sends."""

    kind = "audio"
    clock_rate = CLOCK_RATE

    def bind(self, sender: RTCRtpSender) -> None:
        """Send packet by packet."""
        internals.send_directly(sender, self.next_frame, self._failed)

    async def next_frame(self) -> EncodedFrame:
        """Wait for the next frame."""
        frame = await self._read(lambda outgoing: outgoing.next_frame())
        first = self._offset is None
        timestamp = self._timestamp(frame.timestamp)
        return EncodedFrame(frame.payload, timestamp, frame.resumed or first)


class VideoOutlet(Outlet):
    """What a section of video sends."""

    kind = "video"
    clock_rate = VIDEO_CLOCK_RATE

    def bind(self, sender: RTCRtpSender) -> None:
        """Encode by the codec that was negotiated."""
        options = self._video
        internals.send_pictures(
            sender,
            self.next_picture,
            lambda codec: make_encoder(codec, options),
            bit_rates_of(options),
            self._failed,
        )

    async def next_picture(self) -> TimedPicture:
        """Wait for the next picture."""
        picture: TimedPicture = await self._read(lambda outgoing: outgoing.next_picture())
        return TimedPicture(picture.frame, self._timestamp(picture.timestamp))


OUTLETS: dict[str, type[Outlet]] = {"audio": AudioOutlet, "video": VideoOutlet}
