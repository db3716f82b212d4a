"""Incoming video: from packets to whole pictures, decoded only while somebody looks at them.

It stands where aiortc has its own jitter buffer, which hands a picture on when the first packet of
the next one comes. Here it leaves with its last packet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from aiortc import RTCRtpReceiver

from ..media.layers import LayerChoice, Layers
from ..media.video_frames import EncodedVideoFrame, picture_area
from ..tracks import RemoteVideoTrack
from .incoming_layer import IncomingLayer
from .internals import VideoPacket, VideoTap
from .picture_decoder import PictureDecoder

MAX_WAITING = 30
"""Pictures that may wait to be decoded: 1 s. Then all are dropped until the next keyframe."""


class EncodedRemoteVideo(RemoteVideoTrack):
    """Video from a peer: encoded for a tap, and decoded for its readers, if it has any.

    Attributes:
        tap: Gets each encoded picture, the first of which is a keyframe, as is the first after a
            loss; those of each layer, where the camera has several.
    """

    decodable: ClassVar[bool] = True
    """Whether it has pictures for readers, and not only for its tap."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.tap: Callable[[EncodedVideoFrame], None] | None = None
        self._incoming: IncomingVideo | None = None

    def request_keyframe(self, layer: str = "") -> None:
        """Ask the publisher for a keyframe of a layer, soon and not too often."""
        if self._incoming is not None:
            self._incoming.request_keyframe(layer)


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
        self.undecoded = 0
        """Pictures that were not decoded in time."""
        self._run = run
        self._tap = VideoTap(receiver, self.take, self._end, run)
        self._layers: dict[str, IncomingLayer] = {}
        """By their `rid`; it is empty where there is one layer only."""
        self._sizes = Layers()
        self._choice = LayerChoice()
        self._decoded = ""
        """The layer that is decoded: the largest."""
        self._decoder = PictureDecoder(self._show, lambda: self.request_keyframe(self._decoded))
        self._time = asyncio.get_running_loop().time
        self._decoding = False
        """Whether the decoder has had its first keyframe."""
        self._closed = False
        self._track: RemoteVideoTrack | None = None
        self.carry(track)

    @property
    def incomplete(self) -> int:
        """Pictures that were dropped, for something that they need is lost."""
        return sum(layer.incomplete for layer in self._layers.values())

    def carry(self, track: RemoteVideoTrack | None) -> None:
        """Give the pictures to another track, or to none, from now on."""
        before, self._track = self._track, track
        if before is not None:
            before._first_reader = None
        if track is not None:
            track._first_reader = self.begin_decoding
            if isinstance(track, EncodedRemoteVideo):
                track._incoming = self
            for layer in self._layers.values():  # what came meanwhile was not looked at
                layer.begin_anew()
            self.begin_decoding()

    def take(self, packet: VideoPacket) -> None:
        """Take a packet as it comes from the network."""
        if self._track is None:
            return
        layer = self._layers.get(packet.layer)
        if layer is None:
            layer = IncomingLayer(packet.layer, self._tap, self._hand_on, self._run)
            self._layers[packet.layer] = layer
        layer.take(packet)

    def request_keyframe(self, layer: str = "") -> None:
        """Ask for a keyframe of a layer, soon and not too often; each begins with one."""
        if not self._closed and layer in self._layers:
            self._layers[layer].keyframes.request()

    def begin_decoding(self) -> None:
        """Somebody reads: begin with a keyframe."""
        self._decoding = False
        self.request_keyframe(self._decoded)

    def close(self) -> None:
        """Ask for nothing more; idempotent."""
        self._closed = True
        for layer in self._layers.values():
            layer.close()
        self._decoder.close()
        if isinstance(self._track, EncodedRemoteVideo):
            self._track.tap = None
        self.carry(None)

    def _hand_on(self, frame: EncodedVideoFrame) -> None:
        track = self._track
        assert track is not None
        if isinstance(track, EncodedRemoteVideo) and track.tap is not None:
            track.tap(frame)
        if track.readers:
            self._decode(frame)
        else:
            track.frames += 1
            self._decoding = False

    def _decode(self, frame: EncodedVideoFrame) -> None:
        if frame.layer and not self._is_decoded(frame):
            return
        if len(self._decoder) >= MAX_WAITING:
            self._decoding = False
        elif frame.keyframe:
            self._decoding = True
        if self._decoding:
            self._decoder.push(frame)
        else:
            self.undecoded += 1
            self.request_keyframe(frame.layer)

    def _is_decoded(self, frame: EncodedVideoFrame) -> bool:
        """Whether a picture is of the largest layer, to which one goes with a keyframe."""
        now = self._time()
        area = picture_area(frame.codec, frame.data) if frame.keyframe else 0
        self._sizes.note(frame.layer, len(frame.data), area, now)
        largest = self._choice.choose(self._sizes.ranked(now), None, now)
        if frame.layer == largest != self._decoded:
            if frame.keyframe:
                self._decoded = largest
            else:
                self.request_keyframe(largest)
        return frame.layer == self._decoded

    def _show(self, picture: Any) -> None:
        if self._track is not None:
            self._track.push(picture)

    def _end(self) -> None:
        """The source says goodbye, or the connection is gone."""
        if self._track is not None:
            self._track.end()
