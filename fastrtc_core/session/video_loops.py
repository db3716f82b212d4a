"""The two video loops of a session: pictures to `video_receive`, and those of `video_emit` out."""

from __future__ import annotations

import asyncio
from typing import Any

import av

from ..errors import EndOfStreamError, SourceClosedError
from ..frames import check_video_array
from ..handler import StreamHandlerBase, VideoFormat
from ..handler.functions import VideoStreamHandler
from ..media.pictures import PictureConverter
from ..outputs import split_emitted
from ..tracks import RemoteVideoTrack, VideoSource, VideoStream
from .calls import UserCall
from .life import Life
from .reports import Reporter
from .types import DeliverExtras

FILTER_QUEUE = 3
"""Pictures that may wait for a filter that does not skip frames."""


def open_video_stream(handler: StreamHandlerBase, track: RemoteVideoTrack) -> VideoStream:
    """The stream from which `video_receive` is fed: the latest picture, or a few for a filter."""
    queued = isinstance(handler, VideoStreamHandler) and not handler.skip_frames
    return VideoStream(track, capacity=FILTER_QUEUE if queued else 1)


class VideoOutput:
    """Takes what a handler emits as a picture into the video source.

    Args:
        source: Where the pictures go.
        video_format: That of arrays.
        deliver_extras: Takes what was emitted beside a picture.
    """

    def __init__(
        self, source: VideoSource, video_format: VideoFormat, deliver_extras: DeliverExtras
    ) -> None:
        self._source = source
        self._video_format = video_format
        self._deliver_extras = deliver_extras

    @property
    def closed(self) -> bool:
        """Whether nothing can be shown any more."""
        return self._source.closed

    async def deliver(self, emitted: Any, call: UserCall) -> bool:
        """Show what was emitted; the picture is built on the thread of `call`.

        Returns:
            Whether there was a picture in it.

        Raises:
            InvalidFrameError: If it is nothing that can be shown.
        """
        value, extras = split_emitted(emitted)
        if value is not None:
            picture = await call.on_thread(_to_picture, value, self._video_format)
            self._source.capture_frame(picture)
        await self._deliver_extras(extras)
        return value is not None


async def receive_video(
    handler: StreamHandlerBase,
    receive: UserCall,
    stream: VideoStream,
    output: VideoOutput | None,
    *,
    life: Life,
    reporter: Reporter,
    deliver_extras: DeliverExtras,
) -> None:
    """Feed `video_receive` with pictures until the track ends; an exception loses one."""
    video_format = handler.video_format
    pictures = PictureConverter()
    interval = 1 / handler.fps
    next_due = life.loop.time()
    while not life.ending:
        try:
            frame = await stream.read()
        except EndOfStreamError:
            return
        now = life.loop.time()
        # Half an interval of tolerance: pictures that arrive at `fps` do so unevenly. What has
        # queued up during a slow call may follow at once.
        if now < next_due - interval / 2:
            continue
        next_due = max(next_due + interval, now - FILTER_QUEUE * interval)
        try:
            picture = await receive.on_thread(_from_picture, pictures, frame, video_format)
            result = await receive(picture)
            if result is not None and output is not None:
                await output.deliver(result, receive)
            elif result is not None:
                await deliver_extras(split_emitted(result)[1])
        except Exception as error:
            if _is_over(error, output):
                return
            reporter.error(error, "video_receive")


async def emit_video(
    emit: UserCall, output: VideoOutput, fps: float, *, life: Life, reporter: Reporter
) -> None:
    """Call `video_emit` at most `fps` times a second."""
    loop = life.loop
    interval = 1 / fps
    next_due = loop.time()
    while not life.ending:
        await asyncio.sleep(max(0.0, next_due - loop.time()))
        next_due = max(next_due + interval, loop.time())
        try:
            await output.deliver(await emit(), emit)
        except Exception as error:
            if _is_over(error, output):
                return
            reporter.error(error, "video_emit")


def _is_over(error: Exception, output: VideoOutput | None) -> bool:
    """Whether nothing can be shown any more; a source of the handler's own may be closed, too."""
    return isinstance(error, SourceClosedError) and output is not None and output.closed


def _from_picture(
    pictures: PictureConverter, frame: av.VideoFrame, video_format: VideoFormat
) -> Any:
    return frame if video_format == "frame" else pictures.array(frame, video_format)


def _to_picture(value: Any, video_format: VideoFormat) -> av.VideoFrame:
    if isinstance(value, av.VideoFrame):
        return value
    array_format = "bgr24" if video_format == "frame" else video_format
    return av.VideoFrame.from_ndarray(check_video_array(value, array_format), format=array_format)
