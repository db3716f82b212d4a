"""Tracks that come encoded, for several peers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..media.video_frames import EncodedVideoFrame
from ..tracks import Track, TrackKind
from ..tracks.ring import Ring
from .internals import EncodedFrame

MAX_PACKETS = 10
"""Encoded packets that may wait to be sent: 200 ms."""

MAX_PICTURES = 30
"""Encoded pictures that may wait to be sent. Then all are dropped until the next keyframe."""

MAX_WAIT = 0.8
"""Time in s that a picture may wait to be sent; then it is the same: the line is too narrow."""

ASK_AGAIN = 2.0
"""Time in s between two keyframes that are asked for because pictures were dropped: each of them
fills a narrow line, and is dear for everybody else who sees the camera."""


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


class Downlink(Protocol):
    """The line to whoever sees pictures.

    Attributes:
        wanted: What would be sent if it carried that, in bit/s.
    """

    wanted: float

    @property
    def carries(self) -> float | None:
        """What it carries, in bit/s; `None` if nobody knows."""


class EncodedVideo(Track[EncodedVideoFrame]):
    """Video that comes encoded: of a camera elsewhere, for example.

    What is not sent in time is dropped up to the next keyframe, which is asked for, and counted.

    Attributes:
        codecs: MIME types that the other side takes, in lower case, best first; known once the
            connection was negotiated.
        keyframe_requested: Called when the other side, or this track, needs a keyframe.
        overflowed: Called when pictures are dropped, before a keyframe is asked for.
        downlink: The line to the other side, once there is one.
    """

    kind: TrackKind = "video"
    published = True

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.codecs: tuple[str, ...] = ()
        self.keyframe_requested: Callable[[], None] = lambda: None
        self.overflowed: Callable[[], None] = lambda: None
        self.downlink: Downlink | None = None
        self._pictures: Ring[tuple[float, EncodedVideoFrame]] = Ring(MAX_PICTURES)
        self._time = asyncio.get_running_loop().time
        self._ask_at = 0.0
        self._skipping = False
        self._skipped = 0

    @property
    def dropped(self) -> int:
        """Pictures that were dropped."""
        return self._pictures.dropped + self._skipped

    def push(self, frame: EncodedVideoFrame) -> None:
        """Send a picture next."""
        now = self._time()
        oldest = self._pictures.oldest
        if len(self._pictures) >= MAX_PICTURES or (oldest and now - oldest[0] > MAX_WAIT):
            self._pictures.clear()
            self._skipping = True
            self.overflowed()
        self._skipping = self._skipping and not frame.keyframe
        if self._skipping:
            self._skipped += 1
            if now >= self._ask_at:
                self._ask_at = now + ASK_AGAIN
                self.keyframe_requested()
        else:
            self.frames += 1
            self._pictures.put((now, frame))

    async def next_frame(self) -> EncodedVideoFrame:
        """Wait for the next picture.

        Raises:
            EndOfStreamError: If the track has ended.
        """
        return (await self._pictures.get())[1]

    def end(self) -> None:
        """End the track; idempotent."""
        super().end()
        self._pictures.end()
