"""Cameras that cross from server to server, as they were encoded, while somebody there looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..media.video_frames import EncodedVideoFrame
from ..room.room_video import RoomVideo
from ..room.video_router import CODECS
from ..webrtc.incoming_video import EncodedRemoteVideo
from ..webrtc.keyframes import KeyframeRequests


class RelayedVideo(EncodedRemoteVideo):
    """The camera of somebody on another server; it cannot be decoded here.

    Args:
        ask: Asks that server for a keyframe.
    """

    decodable = False

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__()
        self._keyframes = KeyframeRequests(ask)
        self._next = -1
        self._whole = False
        """Whether all has come since the latest keyframe."""

    def request_keyframe(self, layer: str = "") -> None:
        """Ask for a keyframe, soon and not too often; only one layer crosses."""
        self._keyframes.request()

    def take(self, number: int, frame: EncodedVideoFrame) -> None:
        """Take a picture; what cannot be decoded, as one before it is lost, is dropped."""
        if frame.keyframe:
            self._whole = True
            self._keyframes.satisfy()
        elif number != self._next:
            self._whole = False
        self._next = (number + 1) & 0xFFFF
        if not self._whole:
            self.request_keyframe()
        elif self.tap is not None:
            self.tap(frame)

    def close(self) -> None:
        """It is gone."""
        self._keyframes.close()
        self.tap = None
        self.end()


class Showing:
    """Sends the cameras of this server that are watched on others.

    For the router the other servers are, for each camera, one more receiver.

    Args:
        video: Of the room.
        send: Sends a picture: its uid, its number and the picture.
    """

    def __init__(
        self, video: RoomVideo, send: Callable[[int, int, EncodedVideoFrame], None]
    ) -> None:
        self._router = video.router
        self._send = send
        self._shown: set[int] = set()

    def show(self, uids: Iterable[int]) -> None:
        """These cameras of this server are watched elsewhere, and no others."""
        wanted = set(uids)
        for uid in self._shown - wanted:
            self._router.remove_receiver(_receiver_of(uid))
        for uid in wanted - self._shown:
            self._router.add_receiver(_receiver_of(uid), CODECS, self._sink(uid), only=uid)
        self._shown = wanted

    def request_keyframe(self, uid: int) -> None:
        """A server that watches has lost something, or has only begun to."""
        if uid in self._shown:
            self._router.note_loss(_receiver_of(uid))

    def _sink(self, uid: int) -> Callable[[EncodedVideoFrame], None]:
        number = 0

        def send(frame: EncodedVideoFrame) -> None:
            nonlocal number
            self._send(uid, number, frame)
            number = (number + 1) & 0xFFFF

        return send


def _receiver_of(uid: int) -> int:
    """What the router calls the other servers as receivers of a camera: no uid is below 0."""
    return -1 - uid
