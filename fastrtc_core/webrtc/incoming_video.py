"""Incoming video that is handed on as it came, and decoded only while somebody looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import av
from aiortc import RTCRtpReceiver

from ..media.video_frames import EncodedVideoFrame, FrameAssembler, is_keyframe, is_sound
from ..tracks import RemoteVideoTrack
from ..tracks.track import Reader
from .internals import VideoPacket, VideoTap
from .keyframes import KeyframeRequests

MAX_WAITING = 30
"""Pictures that may wait to be decoded: 1 s. Then all are dropped until the next keyframe."""


class EncodedRemoteVideo(RemoteVideoTrack):
    """Video from a peer: encoded for a tap, and decoded for its readers, if it has any.

    Attributes:
        tap: Gets each encoded picture, the first of which is a keyframe, as is the first after a
            loss.
    """

    decodable: ClassVar[bool] = True
    """Whether it has pictures for readers, and not only for its tap."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.tap: Callable[[EncodedVideoFrame], None] | None = None
        self._incoming: IncomingVideo | None = None

    @property
    def read(self) -> bool:
        """Whether anybody reads decoded pictures."""
        return bool(self._readers)

    def request_keyframe(self) -> None:
        """Ask the publisher for a keyframe, soon and not too often."""
        if self._incoming is not None:
            self._incoming.keyframes.request()

    def _attach(self, reader: Reader[av.VideoFrame]) -> None:
        first = not self._readers
        super()._attach(reader)
        if first and self._incoming is not None and self.read:
            self._incoming.begin_decoding()


class IncomingVideo:
    """Receives the packets of one track.

    Args:
        track: Where the pictures go.
        receiver: Of aiortc; it has not been started.
        run: Runs a coroutine for as long as the connection stands.
    """

    def __init__(
        self,
        track: EncodedRemoteVideo,
        receiver: RTCRtpReceiver,
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.incomplete = 0
        """Pictures that were dropped, for something that they need is lost."""
        self.undecoded = 0
        """Pictures that were not decoded in time."""
        self._track = track
        self._tap = VideoTap(receiver, self.take)
        self.keyframes = KeyframeRequests(lambda: run(self._tap.request_keyframe()))
        self._assembler = FrameAssembler()
        self._loop = asyncio.get_running_loop()
        self._broken = True
        """Whether nothing can be decoded before the next keyframe."""
        self._decoding = False
        """Whether the decoder has had its first keyframe."""
        track._incoming = self

    def take(self, packet: VideoPacket) -> None:
        """Take a packet as it comes from the network."""
        for whole in self._assembler.push(
            packet.sequence_number,
            packet.timestamp,
            packet.marker,
            packet.data,
            self._loop.time(),
        ):
            sound = is_sound(packet.codec, whole.data)
            keyframe = sound and is_keyframe(packet.codec, whole.data)
            self._broken = (self._broken or whole.after_gap or not sound) and not keyframe
            if self._broken:
                self.incomplete += 1
                self.keyframes.request()
            else:
                self._hand_on(
                    EncodedVideoFrame(packet.codec, whole.data, whole.timestamp, keyframe)
                )

    def begin_decoding(self) -> None:
        """Somebody reads: begin with a keyframe."""
        self._decoding = False
        self.keyframes.request()

    def close(self) -> None:
        """Ask for nothing more."""
        self.keyframes.close()
        self._track.tap = None

    def _hand_on(self, frame: EncodedVideoFrame) -> None:
        if frame.keyframe:
            self.keyframes.satisfy()
        if self._track.tap is not None:
            self._track.tap(frame)
        if self._track.read:
            self._decode(frame)
        else:
            self._decoding = False

    def _decode(self, frame: EncodedVideoFrame) -> None:
        if self._tap.waiting >= MAX_WAITING:
            self._decoding = False
        elif frame.keyframe:
            self._decoding = True
        if self._decoding:
            self._tap.decode(frame)
        else:
            self.undecoded += 1
            self.keyframes.request()
