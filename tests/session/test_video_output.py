"""What a handler emits as a picture: wrapped where that is safe, copied at most once."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import AdditionalOutputs, InvalidFrameError
from fastrtc_core.handler import VideoFormat
from fastrtc_core.media.pictures import PictureConverter
from fastrtc_core.session.video_loops import VideoOutput
from fastrtc_core.tracks import VideoSource


def output(video_format: VideoFormat = "bgr24") -> VideoOutput:
    async def nowhere(extras: Any, *, said: bool = False) -> None: ...

    return VideoOutput(VideoSource(), video_format, nowhere)


def pixels(frame: av.VideoFrame | None, format: str = "bgr24") -> Any:
    assert frame is not None
    return PictureConverter().array(frame, format)


def test_an_array_may_be_drawn_into_again() -> None:
    """What was emitted stays as it was, whenever it is encoded."""
    canvas = np.full((4, 6, 3), 10, np.uint8)
    picture = output().prepare(canvas).picture
    canvas[:] = 200
    assert (pixels(picture) == 10).all()


def test_an_array_that_is_handed_back_is_not_copied() -> None:
    canvas = np.full((4, 64, 3), 10, np.uint8)
    picture = output().prepare(canvas, canvas).picture
    canvas[:] = 200
    assert (pixels(picture) == 200).all()


def test_a_frame_is_passed_on_as_it_is() -> None:
    """With what was emitted beside it."""
    frame = av.VideoFrame(64, 48, "yuv420p")
    extras = AdditionalOutputs(1)
    prepared = output("frame").prepare((frame, extras), frame)
    assert prepared.picture is frame
    assert prepared.extras == [extras]


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 3, 3), (480, 641, 3), (2160, 3840, 3)])
@pytest.mark.parametrize("order", ["whole", "turned", "mirrored", "column"])
def test_arrays_of_any_size_and_layout(shape: tuple[int, ...], order: str) -> None:
    """Views, and those whose lines FFmpeg would have longer, show what they hold."""
    array = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    array = {
        "whole": array,
        "turned": array[::-1],
        "mirrored": array[:, ::-1],
        "column": np.asfortranarray(array),
    }[order]
    picture = output().prepare(array).picture
    assert picture is not None
    assert (picture.height, picture.width) == shape[:2]
    assert (pixels(picture) == array).all()


def test_gray_pictures() -> None:
    array = np.arange(35, dtype=np.uint8).reshape(5, 7)
    assert (pixels(output("gray").prepare(array).picture, "gray") == array).all()


def test_what_cannot_be_shown_is_named() -> None:
    """An alpha channel, for example."""
    with pytest.raises(InvalidFrameError, match=r"\(4, 6, 4\)"):
        output().prepare(np.zeros((4, 6, 4), np.uint8))
