"""The handler classes that applications subclass."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ..frames import AudioFrame
from ..outputs import EmitType, VideoEmitType
from .base import StreamHandlerBase


class StreamHandler(StreamHandlerBase):
    """A handler whose methods are plain functions; each loop has a thread of its own."""

    def start_up(self) -> None:
        """Called once before the first frame; no frame is delivered until it returns."""

    @abstractmethod
    def receive(self, frame: AudioFrame) -> None:
        """Take 20 ms of audio: `(sample_rate, array)`, int16 of shape `(channels, samples)`."""

    @abstractmethod
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
    """A handler whose methods are coroutines on the event loop."""

    async def start_up(self) -> None:
        """Called once before the first frame; no frame is delivered until it returns."""

    @abstractmethod
    async def receive(self, frame: AudioFrame) -> None:
        """Take 20 ms of audio: `(sample_rate, array)`, int16 of shape `(channels, samples)`."""

    @abstractmethod
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
    """A `StreamHandler` that takes and produces pictures as well."""

    @abstractmethod
    def video_receive(self, frame: Any) -> None:
        """Take a picture: the latest one, in `video_format`.

        Arrays are uint8 of shape `(height, width, 3)`, or `(height, width)` for `gray`.
        """

    @abstractmethod
    def video_emit(self) -> VideoEmitType:
        """Produce the next picture; called at most `fps` times a second."""

    @abstractmethod
    def copy(self) -> AudioVideoStreamHandler:
        """Make the handler of one session."""


class AsyncAudioVideoStreamHandler(AsyncStreamHandler):
    """An `AsyncStreamHandler` that takes and produces pictures as well."""

    @abstractmethod
    async def video_receive(self, frame: Any) -> None:
        """Take a picture: the latest one, in `video_format`.

        Arrays are uint8 of shape `(height, width, 3)`, or `(height, width)` for `gray`.
        """

    @abstractmethod
    async def video_emit(self) -> VideoEmitType:
        """Produce the next picture; called at most `fps` times a second."""

    @abstractmethod
    def copy(self) -> AsyncAudioVideoStreamHandler:
        """Make the handler of one session."""
