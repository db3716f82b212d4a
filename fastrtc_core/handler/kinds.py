"""The handler classes that applications subclass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from ..frames import AudioFrame
from ..outputs import EmitType, VideoEmitType
from .base import StreamHandlerBase

F = TypeVar("F", bound=Callable[..., Any])


def left_out(method: F) -> F:
    """Mark a method that a class may leave out where the mode of its stream does not call it.

    It is not abstract: a handler that only emits needs no `receive`, and one that only receives no
    `emit`. `Stream` checks that what its mode calls is there.
    """
    method.__left_out__ = True  # type: ignore[attr-defined]
    return method


def implements(handler: StreamHandlerBase, name: str) -> bool:
    """Whether a handler has a method of its own with this name."""
    method = getattr(handler, name, None)
    return callable(method) and not getattr(method, "__left_out__", False)


class StreamHandler(StreamHandlerBase):
    """A handler whose methods are plain functions; each loop has a thread of its own.

    It needs the methods that the mode of its stream calls: `receive` unless that is `"receive"`,
    `emit` unless it is `"send"`.
    """

    def start_up(self) -> None:
        """Called once before the first frame; no frame is delivered until it returns."""

    @left_out
    def receive(self, frame: AudioFrame) -> None:
        """Take 20 ms of audio: `(sample_rate, array)`, int16 of shape `(channels, samples)`."""

    @left_out
    def emit(self) -> EmitType:
        """Produce the next audio. Called while there is room; may block.

        Returns:
            A frame of any length, alone or with `AdditionalOutputs` or `CloseStream`; or `None`
            for nothing now, after which the next call comes a frame later.
        """

    @abstractmethod
    def copy(self) -> StreamHandler:
        """Make the handler of one session."""


class AsyncStreamHandler(StreamHandlerBase):
    """A handler whose methods are coroutines on the event loop.

    It needs the same ones as a `StreamHandler`.
    """

    async def start_up(self) -> None:
        """Called once before the first frame; no frame is delivered until it returns."""

    @left_out
    async def receive(self, frame: AudioFrame) -> None:
        """Take 20 ms of audio: `(sample_rate, array)`, int16 of shape `(channels, samples)`."""

    @left_out
    async def emit(self) -> EmitType:
        """Produce the next audio. Called while there is room; may wait.

        Returns:
            A frame of any length, alone or with `AdditionalOutputs` or `CloseStream`; or `None`
            for nothing now, after which the next call comes a frame later.
        """

    @abstractmethod
    def copy(self) -> AsyncStreamHandler:
        """Make the handler of one session."""


class AudioVideoStreamHandler(StreamHandler):
    """A `StreamHandler` that takes and produces pictures as well.

    Of `video_receive` and `video_emit` it needs those that the mode of its stream calls.
    """

    @left_out
    def video_receive(self, frame: Any) -> None:
        """Take a picture: the latest one, in `video_format`.

        Arrays are uint8 of shape `(height, width, 3)`, or `(height, width)` for `gray`.
        """

    @left_out
    def video_emit(self) -> VideoEmitType:
        """Produce the next picture; called at most `fps` times a second."""

    @abstractmethod
    def copy(self) -> AudioVideoStreamHandler:
        """Make the handler of one session."""


class AsyncAudioVideoStreamHandler(AsyncStreamHandler):
    """An `AsyncStreamHandler` that takes and produces pictures as well.

    Of `video_receive` and `video_emit` it needs those that the mode of its stream calls.
    """

    @left_out
    async def video_receive(self, frame: Any) -> None:
        """Take a picture: the latest one, in `video_format`.

        Arrays are uint8 of shape `(height, width, 3)`, or `(height, width)` for `gray`.
        """

    @left_out
    async def video_emit(self) -> VideoEmitType:
        """Produce the next picture; called at most `fps` times a second."""

    @abstractmethod
    def copy(self) -> AsyncAudioVideoStreamHandler:
        """Make the handler of one session."""
