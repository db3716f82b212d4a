"""Handlers for the tests of sessions."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import numpy as np

from fastrtc_core import (
    AsyncAudioVideoStreamHandler,
    AsyncStreamHandler,
    AudioFrame,
    StreamHandler,
)


class Recording(AsyncStreamHandler):
    """Notes the order of its calls; emits what is put into `to_emit`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options
        self.calls: list[str] = []
        self.frames: list[AudioFrame] = []
        self.to_emit: asyncio.Queue[Any] = asyncio.Queue()

    async def start_up(self) -> None:
        self.calls.append("start_up")

    async def receive(self, frame: AudioFrame) -> None:
        self.calls.append("receive")
        self.frames.append(frame)

    async def emit(self) -> Any:
        return await self.to_emit.get()

    async def shutdown(self) -> None:
        self.calls.append("shutdown")

    def copy(self) -> Recording:
        return type(self)(**self.options)


class SyncEcho(StreamHandler):
    """The canonical sync handler: `emit` blocks on a queue without a time-out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options
        self.queue: queue.Queue[AudioFrame] = queue.Queue()

    def receive(self, frame: AudioFrame) -> None:
        self.queue.put(frame)

    def emit(self) -> AudioFrame:
        return self.queue.get()

    def copy(self) -> SyncEcho:
        return type(self)(**self.options)


class Pictures(AsyncAudioVideoStreamHandler):
    """Keeps pictures; emits what is put into `to_show`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options
        self.pictures: list[Any] = []
        self.to_show: asyncio.Queue[Any] = asyncio.Queue()

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> None:
        await asyncio.Event().wait()

    async def video_receive(self, frame: Any) -> None:
        self.pictures.append(frame)

    async def video_emit(self) -> Any:
        return await self.to_show.get()

    def copy(self) -> Pictures:
        return type(self)(**self.options)


def heard_samples(heard: list[Any]) -> np.ndarray[Any, np.dtype[np.int16]]:
    """The first channel of everything that a peer heard, joined."""
    if not heard:
        return np.zeros(0, np.int16)
    return np.concatenate([timed.data[0] for _, timed in heard])
