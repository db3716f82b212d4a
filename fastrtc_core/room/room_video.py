"""The video of a room: connects cameras and screens to the router."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..media.video_frames import EncodedVideoFrame
from ..tracks import Participant
from ..webrtc.encoded import EncodedVideo
from ..webrtc.incoming_video import EncodedRemoteVideo
from ..webrtc.options import VideoOptions
from .camera_encoder import CameraEncoder
from .video_router import Feed, VideoRouter


class RoomVideo:
    """Forwards what browsers send as it is, and encodes the rest, as long as somebody looks.

    Args:
        tell: Called with a member's uid and whom it sees from now on, or `None` for nobody.
        options: How pictures are encoded that are.

    Attributes:
        router: Decides who sees whom.
        encoders: What is encoded at the moment.
        watched: Whose cameras are seen, or are to be seen.
        watched_changed: Called when these are others.
    """

    def __init__(
        self, tell: Callable[[int, int | None], None], options: VideoOptions | None = None
    ) -> None:
        self._options = options
        self.router = VideoRouter(asyncio.get_running_loop().time, self, tell)
        self.encoders: dict[Feed, CameraEncoder] = {}
        self.watched: frozenset[int] = frozenset()
        self.watched_changed: Callable[[], None] = lambda: None
        self._cameras: dict[int, Participant] = {}
        self._taps: dict[int, EncodedRemoteVideo] = {}

    @property
    def cameras(self) -> tuple[int, ...]:
        """Whose cameras may be seen, by uid, sorted."""
        return tuple(sorted(self._cameras))

    def add_camera(self, uid: int, participant: Participant) -> None:
        """Show what somebody publishes as its camera."""
        track = participant.tracks["camera"]
        self._cameras[uid] = participant
        if isinstance(track, EncodedRemoteVideo):
            self._taps[uid] = track
            track.tap = lambda frame: self.router.push(uid, frame)
        self.router.add_publisher(
            uid,
            pictures=uid not in self._taps,
            decodable=not isinstance(track, EncodedRemoteVideo) or track.decodable,
        )

    def remove_camera(self, uid: int) -> None:
        """Show it no longer; idempotent."""
        self.router.remove_publisher(uid)
        self._cameras.pop(uid, None)
        tapped = self._taps.pop(uid, None)
        if tapped is not None:
            tapped.tap = None

    def add_screen(self, uid: int, screen: EncodedVideo) -> None:
        """Have somebody see the others."""
        screen.keyframe_requested = lambda: self.router.note_loss(uid)
        screen.overflowed = lambda: self.router.note_overflow(uid)
        self.router.add_receiver(uid, screen.codecs, screen.push, downlink=lambda: screen.downlink)

    def remove(self, uid: int) -> None:
        """Somebody is gone; idempotent."""
        self.router.remove_receiver(uid)
        self.remove_camera(uid)

    # What the router asks for

    def request_keyframe(self, feed: Feed) -> None:
        """See `Cameras`."""
        if feed in self.encoders:
            self.encoders[feed].request_keyframe()
        elif feed.uid in self._taps:
            self._taps[feed.uid].request_keyframe(feed.layer)

    def encode(self, feeds: frozenset[Feed]) -> None:
        """See `Cameras`."""
        for feed in self.encoders.keys() - feeds:
            self.encoders.pop(feed).close()
        for feed in feeds - self.encoders.keys():
            self.encoders[feed] = CameraEncoder(
                self._cameras[feed.uid].publication("camera"),
                feed.codec,
                self._sink(feed.uid),
                self._options,
            )

    def note_watched(self, uids: frozenset[int]) -> None:
        """See `Cameras`."""
        self.watched = uids
        self.watched_changed()

    def _sink(self, uid: int) -> Callable[[EncodedVideoFrame], None]:
        return lambda frame: self.router.push(uid, frame, made=True)
