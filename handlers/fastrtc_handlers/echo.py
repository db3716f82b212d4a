"""Handlers that send back what they get."""

from __future__ import annotations

import asyncio
from typing import Any

from fastrtc_core import AsyncAudioVideoStreamHandler, AsyncStreamHandler, AudioFrame

_QUEUED_FRAMES = 10
"""Frames (200 ms) that wait for `emit`; then the oldest is dropped, so that no delay builds up."""


class Echo(AsyncStreamHandler):
    """Sends the audio back at the rate and layout at which it is received.

    Args:
        sample_rate: Rate in Hz in both directions.
        stereo: Whether both channels are kept; otherwise they are mixed.
    """

    def __init__(self, sample_rate: int = 48000, stereo: bool = False) -> None:
        super().__init__(
            expected_layout="stereo" if stereo else "mono",
            input_sample_rate=sample_rate,
            output_sample_rate=sample_rate,
        )
        self._frames: asyncio.Queue[AudioFrame] = asyncio.Queue(_QUEUED_FRAMES)

    async def receive(self, frame: AudioFrame) -> None:
        """Queue a frame."""
        _put_latest(self._frames, frame)

    async def emit(self) -> AudioFrame:
        """Send the next frame back."""
        return await self._frames.get()

    def copy(self) -> Echo:
        """An echo with the same settings."""
        copy = type(self)(self.input_sample_rate, self.expected_layout == "stereo")
        return copy.take_settings(self)


class AudioVideoEcho(Echo, AsyncAudioVideoStreamHandler):
    """Sends audio and video back.

    Args:
        sample_rate: Rate of the audio in Hz in both directions.
        stereo: Whether both channels are kept; otherwise they are mixed.
    """

    video_format = "frame"

    def __init__(self, sample_rate: int = 48000, stereo: bool = False) -> None:
        super().__init__(sample_rate, stereo)
        self._pictures: asyncio.Queue[Any] = asyncio.Queue(1)

    async def video_receive(self, frame: Any) -> None:
        """Keep the latest picture."""
        _put_latest(self._pictures, frame)

    async def video_emit(self) -> Any:
        """Send the latest picture back."""
        return await self._pictures.get()

    def copy(self) -> AudioVideoEcho:
        """An echo with the same settings."""
        copy = type(self)(self.input_sample_rate, self.expected_layout == "stereo")
        return copy.take_settings(self)


def _put_latest(queue: asyncio.Queue[Any], item: Any) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)
