"""Pictures of a member, encoded once for all who see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import av

from ..media.video_frames import VIDEO_CLOCK_RATE, EncodedVideoFrame
from ..tracks.participant import Publication
from ..webrtc.failures import Failures, log_failure
from ..webrtc.keyframes import KeyframeRequests
from ..webrtc.options import VideoOptions
from ..webrtc.video_encoders import PictureEncoder
from ..webrtc.workers import picture_workers

REPEAT = 1.0
"""Time in s after which a picture is sent once more, if no other has come: were its last packet
lost, nobody would know."""


class CameraEncoder:
    """Reads what somebody publishes, and encodes it on a thread, one picture at a time.

    A picture that comes meanwhile replaces the one that waits. The latest is encoded again where
    somebody asks for a keyframe: it may be the last one for long.

    Args:
        publication: Where the pictures come from.
        codec: MIME type in lower case.
        sink: Gets them encoded, on the event loop.
        options: How they are encoded.

    Attributes:
        encoded: How many pictures were encoded.
        replaced: How many were not, for a later one came.
    """

    def __init__(
        self,
        publication: Publication,
        codec: str,
        sink: Callable[[EncodedVideoFrame], None],
        options: VideoOptions | None = None,
    ) -> None:
        self.encoded = 0
        self.replaced = 0
        self._encoder = PictureEncoder(codec, options or VideoOptions())
        self._failures = Failures("encoding a camera", log_failure)
        self._sink = sink
        self._publication = publication
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._working: asyncio.Future[EncodedVideoFrame | None] | None = None
        self._latest: av.VideoFrame | None = None
        self._fresh = self._keyframe = False
        self._closed = False
        self._repeat: asyncio.TimerHandle | None = None
        self._requests = KeyframeRequests(self._force)
        track = publication.track
        publication._attach(self)
        before = None if track is None else track._latest
        if not self._fresh and before is not None:
            self._push(before)  # what was shown before anybody looked

    def request_keyframe(self) -> None:
        """Encode the next picture, or the latest once more, as a keyframe."""
        self._requests.request()

    def close(self) -> None:
        """Encode no more; idempotent."""
        self._closed = True
        self._stop_repeating()
        self._publication._detach(self)
        self._requests.close()

    # The side of the track

    def _push(self, frame: av.VideoFrame) -> None:
        self.replaced += self._fresh
        self._latest, self._fresh = frame, True
        self._work()

    def _end(self) -> None:
        self.close()

    # Encoding

    def _force(self) -> None:
        self._keyframe = True
        self._work()

    def _work(self) -> None:
        if self._closed or self._working is not None or self._latest is None:
            return
        if not self._fresh and not self._keyframe:
            return
        self._stop_repeating()
        timestamp = round((self._loop.time() - self._begun) * VIDEO_CLOCK_RATE)
        work = partial(self._encoder.encode, self._latest, timestamp, keyframe=self._keyframe)
        self._fresh = self._keyframe = False
        self._working = self._loop.run_in_executor(picture_workers(), work)
        self._working.add_done_callback(self._finish)

    def _finish(self, working: asyncio.Future[EncodedVideoFrame | None]) -> None:
        self._working = None
        if self._closed or working.cancelled():
            return
        if isinstance(error := working.exception(), Exception):
            self._failures.note(error)
        elif (frame := working.result()) is not None:
            self.encoded += 1
            if frame.keyframe:
                self._requests.satisfy()
            self._sink(frame)
        if self._closed:  # nobody looks any more
            return
        self._repeat = self._loop.call_later(REPEAT, self._show_again)
        self._work()

    def _show_again(self) -> None:
        self._fresh = True
        self._work()

    def _stop_repeating(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None
