"""Tracks that come encoded, for several peers at once."""

from __future__ import annotations

from collections.abc import Callable

from ..media.video_frames import EncodedVideoFrame
from ..tracks import Track, TrackKind
from ..tracks.ring import Ring
from .internals import EncodedFrame

MAX_PACKETS = 10
"""Encoded packets that may wait to be sent: 200 ms."""

MAX_PICTURES = 30
"""Encoded pictures that may wait to be sent: 1 s. Then all are dropped until the next keyframe."""


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
