"""`VideoStream`: an asynchronous iterator over the video of a track."""

from __future__ import annotations

from dataclasses import dataclass

import av

from .remote import RemoteVideoTrack
from .stream import TrackStream


@dataclass(frozen=True)
class VideoFrameEvent:
    """One frame of a `VideoStream`."""

    frame: av.VideoFrame


class VideoStream(TrackStream[av.VideoFrame, VideoFrameEvent]):
    """Yields the pictures of a track; a slow reader gets the latest and `dropped` counts the rest.

    Args:
        track: The track to read.
        capacity: Pictures to hold at most; 1 keeps the latest alone.
    """

    def __init__(self, track: RemoteVideoTrack, capacity: int = 1) -> None:
        super().__init__(track, capacity)

    def _event(self, frame: av.VideoFrame) -> VideoFrameEvent:
        return VideoFrameEvent(frame)
