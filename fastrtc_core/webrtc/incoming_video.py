"""Incoming video: from packets to whole pictures, decoded only while somebody looks at them.

It stands where aiortc has its own jitter buffer, which hands a picture on when the first packet of
the next one comes. Here it leaves with its last packet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from aiortc import RTCRtpReceiver

from ..media.lost_packets import LostPackets
from ..media.video_frames import EncodedVideoFrame, FrameAssembler, is_keyframe, is_sound
from ..tracks import RemoteVideoTrack
from .internals import VideoPacket, VideoTap
from .keyframes import KeyframeRequests
from .picture_decoder import PictureDecoder

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

    def request_keyframe(self) -> None:
        """Ask the publisher for a keyframe, soon and not too often."""
        if self._incoming is not None:
            self._incoming.keyframes.request()


class IncomingVideo:
    """Receives the packets of one section.

    Args:
        track: Where the pictures go; `None` if nobody wants them.
        receiver: Of aiortc; it has not been started.
        run: Runs a coroutine for as long as the connection stands.
    """

    def __init__(
        self,
        track: RemoteVideoTrack | None,
        receiver: RTCRtpReceiver,
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.incomplete = 0
        """Pictures that were dropped, for something that they need is lost."""
        self.undecoded = 0
        """Pictures that were not decoded in time."""
        self.lost = LostPackets()
        self._run = run
        self._tap = VideoTap(receiver, self.take, self._end, run)
        self.keyframes = KeyframeRequests(lambda: run(self._tap.request_keyframe()))
        self._assembler = FrameAssembler()
        self._decoder = PictureDecoder(self._show, self.keyframes.request)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._broken = True
        """Whether nothing can be decoded before the next keyframe."""
        self._decoding = False
        """Whether the decoder has had its first keyframe."""
        self._begun = False
        self._source: int | None = None
        self._track: RemoteVideoTrack | None = None
        self.carry(track)

    def carry(self, track: RemoteVideoTrack | None) -> None:
        """Give the pictures to another track, or to none, from now on."""
        before, self._track = self._track, track
        if before is not None:
            before._first_reader = None
        if track is not None:
            track._first_reader = self.begin_decoding
            if isinstance(track, EncodedRemoteVideo):
                track._incoming = self
            if self._begun:  # what came meanwhile was not looked at
                self._begin_anew()

    def take(self, packet: VideoPacket) -> None:
        """Take a packet as it comes from the network."""
        if self._track is None:
            return
        if packet.ssrc != self._source:
            if self._begun:  # its numbers have nothing to do with those before
                self._begin_anew()
            self._source = packet.ssrc
        self._begun = True
        now = self._loop.time()
        if missing := self.lost.push(packet.sequence_number, now):
            self._run(self._tap.request_packets(missing))
        beginning = is_keyframe(packet.codec, packet.data)
        for whole in self._assembler.push(
            packet.sequence_number, packet.timestamp, packet.marker, packet.data, now, beginning
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
        if self.lost:
            self._repair(now)

    def begin_decoding(self) -> None:
        """Somebody reads: begin with a keyframe."""
        self._decoding = False
        if self._begun:  # otherwise the first picture is one anyway
            self.keyframes.request()

    def close(self) -> None:
        """Ask for nothing more; idempotent."""
        self.keyframes.close()
        self._decoder.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if isinstance(self._track, EncodedRemoteVideo):
            self._track.tap = None
        self.carry(None)

    def _begin_anew(self) -> None:
        self._assembler, self.lost, self._broken = FrameAssembler(), LostPackets(), True
        self.begin_decoding()

    def _repair(self, now: float) -> None:
        """Ask once more for what is missing, when it is time, or for a keyframe in its place."""
        if self._assembler.due is None:
            return  # all began anew after the timer was set
        self.lost.forget(self._assembler.due)
        if again := self.lost.due(now):
            self._run(self._tap.request_packets(again))
        if self.lost.hopeless(now):
            self.keyframes.request()
        if self._timer is None and (deadline := self.lost.deadline) is not None:
            self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        self._repair(self._loop.time())

    def _hand_on(self, frame: EncodedVideoFrame) -> None:
        track = self._track
        assert track is not None
        if frame.keyframe:
            self.keyframes.satisfy()
        if isinstance(track, EncodedRemoteVideo) and track.tap is not None:
            track.tap(frame)
        if track.readers:
            self._decode(frame)
        else:
            track.frames += 1
            self._decoding = False

    def _decode(self, frame: EncodedVideoFrame) -> None:
        if len(self._decoder) >= MAX_WAITING:
            self._decoding = False
        elif frame.keyframe:
            self._decoding = True
        if self._decoding:
            self._decoder.push(frame)
        else:
            self.undecoded += 1
            self.keyframes.request()

    def _show(self, picture: Any) -> None:
        if self._track is not None:
            self._track.push(picture)

    def _end(self) -> None:
        """The source says goodbye, or the connection is gone."""
        if self._track is not None:
            self._track.end()
