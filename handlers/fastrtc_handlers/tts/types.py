"""What voices have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fastrtc_core import AudioFrame, FastRTCError

_END = object()


class TTSError(FastRTCError, RuntimeError):
    """A voice failed; the text says why."""


@runtime_checkable
class TTSModel(Protocol):
    """Speaks texts, as FastRTC knows it. Sessions share it."""

    def tts(self, text: str, options: Any = None) -> AudioFrame:
        """Speak a text; returns all of its audio."""
        ...

    def stream_tts_sync(self, text: str, options: Any = None) -> Iterator[AudioFrame]:
        """Speak a text, audio as soon as it is there; to be called on a thread."""
        ...

    def stream_tts(self, text: str, options: Any = None) -> AsyncIterator[AudioFrame]:
        """The same on an event loop."""
        ...


class SyncVoice(ABC):
    """A `TTSModel` out of one method that yields audio."""

    @abstractmethod
    def stream_tts_sync(self, text: str, options: Any = None) -> Iterator[AudioFrame]:
        """Speak a text, audio as soon as it is there; to be called on a thread."""

    def tts(self, text: str, options: Any = None) -> AudioFrame:
        """Speak a text; returns all of its audio.

        Raises:
            TTSError: If there is nothing in it to be spoken.
        """
        frames = list(self.stream_tts_sync(text, options))
        if not frames:
            raise TTSError(f"there is nothing to say in {text!r:.80}")
        return AudioFrame(
            frames[0].sample_rate, np.concatenate([frame.data for frame in frames], axis=1)
        )

    async def stream_tts(self, text: str, options: Any = None) -> AsyncIterator[AudioFrame]:
        """Speak a text on a thread of its own, audio as soon as it is there."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "tts")
        try:
            frames = self.stream_tts_sync(text, options)
            while (frame := await loop.run_in_executor(thread, next, frames, _END)) is not _END:
                assert isinstance(frame, AudioFrame)
                yield frame
        finally:
            thread.shutdown(wait=False)
