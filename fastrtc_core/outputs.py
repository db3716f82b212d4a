"""What `emit` may return beside a frame."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from .frames import AudioFrame, Layout


class AdditionalOutputs:
    """Values for the application beside the media: a transcript, a plot, a count.

    They reach `Stream.output_stream`, `Stream.fetch_latest_output` and the additional outputs of
    the Gradio UI.
    """

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __repr__(self) -> str:
        return f"AdditionalOutputs{self.args!r}"


class CloseStream:
    """Ends the session once everything that was emitted has been played.

    Args:
        msg: Text that the client is shown.
    """

    def __init__(self, msg: str = "The stream was closed by the server.") -> None:
        self.msg = msg

    def __repr__(self) -> str:
        return f"CloseStream({self.msg!r})"


AudioEmit = AudioFrame | tuple[int, NDArray[Any]] | tuple[int, NDArray[Any], Layout]
EmitType = (
    AudioEmit
    | AdditionalOutputs
    | CloseStream
    | tuple[AudioEmit, AdditionalOutputs | CloseStream]
    | None
)
"""What `emit` may return."""

VideoEmit = NDArray[np.uint8] | av.VideoFrame
VideoEmitType = (
    VideoEmit
    | AdditionalOutputs
    | CloseStream
    | tuple[VideoEmit, AdditionalOutputs | CloseStream]
    | None
)
"""What `video_emit` may return."""


def split_emitted(value: Any) -> tuple[Any, list[AdditionalOutputs | CloseStream]]:
    """Separate the frame (or `None`) that was emitted from what came with it."""
    if isinstance(value, (AdditionalOutputs, CloseStream)):
        return None, [value]
    if isinstance(value, tuple) and any(
        isinstance(part, (AdditionalOutputs, CloseStream)) for part in value
    ):
        extras = [part for part in value if isinstance(part, (AdditionalOutputs, CloseStream))]
        rest = tuple(
            part for part in value if not isinstance(part, (AdditionalOutputs, CloseStream))
        )
        return (rest[0] if len(rest) == 1 else rest or None), extras
    return value, []
