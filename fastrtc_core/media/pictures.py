"""Conversion of pictures, safe however many look at the same one.

PyAV keeps a scaler on each `av.VideoFrame`, for `reformat`, `to_ndarray(format=…)` and `to_image`,
and runs it without the GIL: two threads that convert one frame object hang or crash the process.
Its encoders and aiortc's write a time and a type into the frame that they are given. So whoever
converts has a `PictureConverter`, and leaves the frames of others as they are.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".", 1)[0]) >= 17 else {}
"""From PyAV 17 on a scaler has threads, as many as there are cores, unless it is told otherwise;
before that it has none, and cannot be told."""

_UNKNOWN = Fraction(0, 1)
"""What FFmpeg has for a time base that was not set."""


def picture_of(pixels: NDArray[np.uint8], format: str) -> av.VideoFrame:
    """A picture that lies where the pixels lie, which must not be written to any more.

    Args:
        pixels: `(height, width, channels)`, or `(height, width)`.
        format: FFmpeg's name of the pixel format, `bgr24` for example.
    """
    return av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format=format)


class PictureConverter:
    """Converts pictures for one reader: used on one thread at a time, and shared with nobody."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._passage: _Passage | None = None

    def array(self, frame: av.VideoFrame, format: str) -> NDArray[Any]:
        """The pixels of a picture, in memory of their own, which may be written to.

        Args:
            frame: The picture; it is left as it is.
            format: FFmpeg's name of the pixel format, `bgr24` for example.
        """
        converted = self._scaler.reformat(frame, format=format, **_ONE_THREAD)
        pixels = converted.to_ndarray()
        # Where nothing had to be converted, they may be those of the frame itself.
        return np.array(pixels) if converted is frame else pixels

    def own(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The same picture as a frame object of its own: its pixels are shared, nothing else is."""
        kind = (frame.width, frame.height, frame.format.name)
        if self._passage is None or self._passage.kind != kind:
            self._passage = _Passage(*kind)
        return self._passage.pass_through(frame)

    def scaled(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """The picture in `yuv420p` and a size, for an encoder, which may write what it likes."""
        picture = self._scaler.reformat(frame, width, height, "yuv420p", **_ONE_THREAD)
        if picture is frame:
            picture = self.own(frame)
        picture.pict_type = PictureType.NONE  # of a decoder; not ours to repeat
        return picture

    def for_encoder(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The picture as `scaled`, of even width and height, as 4:2:0 and H.264 ask for."""
        return self.scaled(frame, max(2, frame.width & ~1), max(2, frame.height & ~1))


class _Passage:
    """A graph without a filter: what goes in comes out as another frame, with the same pixels.

    PyAV has no other way to `av_frame_ref`.
    """

    def __init__(self, width: int, height: int, format: str) -> None:
        self.kind = (width, height, format)
        self._graph = Graph()
        if hasattr(self._graph, "threads"):
            self._graph.threads = 1
        self._source: FilterContext = self._graph.add(
            "buffer",
            video_size=f"{width}x{height}",
            pix_fmt=format,
            time_base="1/90000",
            pixel_aspect="1/1",
        )
        self._sink: FilterContext = self._graph.add("buffersink")
        self._source.link_to(self._sink)
        self._graph.configure()

    def pass_through(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._source.push(frame)
        passed = self._sink.pull()
        assert isinstance(passed, av.VideoFrame)
        passed.time_base = frame.time_base or _UNKNOWN
        return passed
