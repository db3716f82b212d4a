"""`VideoSource`: what a local video track plays."""

from __future__ import annotations

from collections import deque

import av

from ..errors import ConfigurationError, SourceClosedError
from .signal import Signal


class VideoSource:
    """Holds the latest picture: a new one replaces one that has not been sent yet.

    It belongs to the event loop on which it is used; every method is called there.

    Args:
        capacity: Pictures that may wait, in order, before the oldest is replaced; for a producer
            that makes several at once, of which none should be lost.

    Raises:
        ConfigurationError: If the capacity is below 1.

    Attributes:
        replaced: Pictures that were replaced before they were sent.
    """

    def __init__(self, capacity: int = 1) -> None:
        if capacity < 1:
            raise ConfigurationError("a source of video holds at least one picture")
        self.replaced = 0
        self._capacity = capacity
        self._frames: deque[av.VideoFrame] = deque()
        self._closed = False
        self._changed = Signal()

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    def capture_frame(self, frame: av.VideoFrame) -> None:
        """Show a picture next.

        Raises:
            SourceClosedError: If the source is closed.
        """
        if self._closed:
            raise SourceClosedError("the source is closed")
        if len(self._frames) == self._capacity:
            self._frames.popleft()
            self.replaced += 1
        self._frames.append(frame)
        self._changed.notify()

    def clear_queue(self) -> None:
        """Discard what has not been sent yet."""
        self._frames.clear()
        self._changed.notify()

    async def wait_for_playout(self) -> None:
        """Wait until no picture waits to be sent, or the source is closed."""
        while self._frames and not self._closed:
            await self._changed.wait()

    async def aclose(self) -> None:
        """Close the source; idempotent."""
        self._closed = True
        self.clear_queue()

    # The side of the track

    def _take(self) -> av.VideoFrame | None:
        """The next picture, if there is one."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._changed.notify()
        return frame
