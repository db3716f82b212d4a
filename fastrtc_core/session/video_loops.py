"""The two video loops of a session: pictures to `video_receive`, and those of `video_emit` out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import av
import numpy as np

from ..errors import EndOfStreamError, SourceClosedError
from ..frames import check_video_array
from ..handler import StreamHandlerBase, VideoFormat
from ..handler.functions import VideoStreamHandler
from ..media.pictures import PictureConverter, picture_of
from ..outputs import split_emitted
from ..tracks import RemoteVideoTrack, VideoSource, VideoStream
from .calls import UserCall
from .life import Life
from .reports import Reporter
from .types import DeliverExtras

SMALL = 1 << 21
"""Bytes of an array that is copied on the event loop: in some 0.1 ms."""

FILTER_QUEUE = 3
"""Pictures that may wait for a filter that does not skip frames."""


def open_video_stream(handler: StreamHandlerBase, track: RemoteVideoTrack) -> VideoStream:
    """The stream from which `video_receive` is fed: the latest picture, or a few for a filter."""
    queued = isinstance(handler, VideoStreamHandler) and not handler.skip_frames
    return VideoStream(track, capacity=FILTER_QUEUE if queued else 1)


class Prepared(NamedTuple):
    """What was emitted.

    Attributes:
        picture: To be shown, if there is one.
        extras: What was emitted beside it.
    """

    picture: av.VideoFrame | None
    extras: Any


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

    def prepare(self, emitted: Any, own: Any = None) -> Prepared:
        """Take apart what was emitted; on whichever thread it came to be.

        Args:
            emitted: What a handler returned.
            own: An array of this session's, which is not copied where it comes back.

        Raises:
            InvalidFrameError: If it is nothing that can be shown.
        """
        value, extras = split_emitted(emitted)
        if value is None:
            return Prepared(None, extras)
        return Prepared(_to_picture(value, self._video_format, value is own), extras)

    async def deliver(self, prepared: Prepared) -> None:
        """Show what was emitted.

        Raises:
            SourceClosedError: If nothing can be shown any more.
        """
        if prepared.picture is not None:
            self._source.capture_frame(prepared.picture)
        await self._deliver_extras(prepared.extras)


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
    prepare = _prepare_nothing if output is None else output.prepare

    def whole(frame: av.VideoFrame) -> Prepared:
        """All of it, where it may block: one way to the thread, and one back."""
        picture = _from_picture(pictures, frame, video_format)
        return prepare(receive.method(picture), picture)

    async def receive_one(frame: av.VideoFrame) -> Prepared:
        if not receive.is_async:
            prepared: Prepared = await receive.on_thread(whole, frame)
            return prepared
        picture: Any = frame
        if video_format != "frame":
            picture = await receive.on_thread(pictures.array, frame, video_format)
        return await _prepared(prepare, await receive(picture), receive, picture)

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
            prepared = await receive_one(frame)
            if output is not None:
                await output.deliver(prepared)
            else:
                await deliver_extras(prepared.extras)
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
            if emit.is_async:
                prepared = await _prepared(output.prepare, await emit(), emit)
            else:
                prepared = await emit.on_thread(lambda: output.prepare(emit.method()))
            await output.deliver(prepared)
        except Exception as error:
            if _is_over(error, output):
                return
            reporter.error(error, "video_emit")


def _is_over(error: Exception, output: VideoOutput | None) -> bool:
    """Whether nothing can be shown any more; a source of the handler's own may be closed, too."""
    return isinstance(error, SourceClosedError) and output is not None and output.closed


async def _prepared(
    prepare: Callable[..., Prepared], emitted: Any, call: UserCall, own: Any = None
) -> Prepared:
    """What an async method has emitted; what takes long is done on the thread of `call`."""
    large = any(
        isinstance(part, np.ndarray) and part is not own and part.nbytes > SMALL
        for part in (emitted if isinstance(emitted, tuple) else (emitted,))
    )
    if large:
        prepared: Prepared = await call.on_thread(prepare, emitted, own)
        return prepared
    return prepare(emitted, own)


def _prepare_nothing(emitted: Any, own: Any = None) -> Prepared:
    """For a handler whose pictures go nowhere."""
    return Prepared(None, split_emitted(emitted)[1])


def _from_picture(
    pictures: PictureConverter, frame: av.VideoFrame, video_format: VideoFormat
) -> Any:
    return frame if video_format == "frame" else pictures.array(frame, video_format)


def _to_picture(value: Any, video_format: VideoFormat, own: bool) -> av.VideoFrame:
    if isinstance(value, av.VideoFrame):
        return value
    array_format = "bgr24" if video_format == "frame" else video_format
    pixels = check_video_array(value, array_format)
    # The handler may draw the next picture into the same array, before this one is encoded.
    return picture_of(pixels if own else np.array(pixels, order="C"), array_format)
