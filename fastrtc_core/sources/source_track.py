"""`SourceTrack`: a source as a track, decoded once for any number of streams."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import ConfigurationError
from ..frames import AudioFrame
from ..tracks import RemoteAudioTrack
from ..usercode import guarded
from .block import Block
from .channels import Channels, check_channels, select_channels
from .interface import SourceInterface
from .tap import Tap

CAPACITY = 50
"""Blocks that may wait for the event loop; those that come while so many wait are dropped."""

MAX_FILL = 1.0
"""Longest hole in s that is filled with silence, so that what comes after it keeps its time."""


class SourceTrack(RemoteAudioTrack):
    """Audio of an input source, for every `AudioStream` that is opened over it.

    It is used on one event loop. Frames come in real time, as the source delivers them.

    Args:
        source: The source, which the track starts and stops; its callback is taken.
        channels: Which of its channels: an index for mono, two for stereo, `"mix"` for the mean of
            all; by default one or two channels as they are.
        name: What the track is called.

    Raises:
        ConfigurationError: If `channels` makes no sense, or the source is not in real time.

    Attributes:
        dropped: Blocks that were lost because the event loop was busy.
    """

    def __init__(
        self, source: SourceInterface, *, channels: Channels = None, name: str = ""
    ) -> None:
        super().__init__(name=name)
        check_channels(channels)
        if not getattr(source, "real_time", True):
            raise ConfigurationError(
                "a track is heard in real time: make the source with real_time=True"
            )
        self.dropped = 0
        self._channels = channels
        self._tap = Tap(source, self._put, self._put_end)
        self._lock = threading.Lock()
        self._waiting = 0
        self._next_pts = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: Exception | None = None

    async def start(self) -> None:
        """Start the source; without effect if it was started.

        Raises:
            Exception: What keeps the source from starting.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            await guarded(asyncio.to_thread(self._tap.start))

    async def aclose(self) -> None:
        """Stop the source, and end the track with all its streams; idempotent.

        Raises:
            Exception: What went wrong in the source.
        """
        if self._loop is not None and not self.ended:
            self.end()
            await guarded(asyncio.to_thread(self._tap.stop))
        self.end()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.aclose()
        except Exception:
            if error is None:
                raise

    # On the thread of the source

    def _put(self, block: Block) -> None:
        frame = select_channels(block, self._channels)
        with self._lock:
            if self._waiting >= CAPACITY:
                self.dropped += 1
                return
            self._waiting += 1
        self._call(lambda: self._take(frame, block.pts))

    def _put_end(self) -> None:
        self._call(self.end)

    def _call(self, function: object) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(function)  # type: ignore[arg-type]

    # On the event loop

    def _take(self, frame: AudioFrame, pts: int) -> None:
        with self._lock:
            self._waiting -= 1
        if self.ended:
            return
        missing = pts - self._next_pts
        if 0 < missing <= MAX_FILL * frame.sample_rate:
            silence = np.zeros((frame.num_channels, missing), np.int16)
            self.push(AudioFrame(frame.sample_rate, silence))
        self._next_pts = pts + frame.samples_per_channel
        self.push(frame)
