"""`VideoSource`: what a local video track plays."""

from __future__ import annotations

import av

from ..errors import SourceClosedError
from .signal import Signal


class VideoSource:
    """Holds the latest picture: a new one replaces one that has not been sent yet.

    It belongs to the event loop on which it is used; every method is called there.
    """

    def __init__(self) -> None:
        self.replaced = 0
        """Pictures that were replaced before they were sent."""
        self._frame: av.VideoFrame | None = None
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
        if self._frame is not None:
            self.replaced += 1
        self._frame = frame
        self._changed.notify()

    def clear_queue(self) -> None:
        """Discard a picture that has not been sent yet."""
        self._frame = None
        self._changed.notify()

    async def wait_for_playout(self) -> None:
        """Wait until no picture waits to be sent, or the source is closed."""
        while self._frame is not None and not self._closed:
            await self._changed.wait()

    async def aclose(self) -> None:
        """Close the source; idempotent."""
        self._closed = True
        self.clear_queue()

    # The side of the track

    async def _pull(self) -> av.VideoFrame | None:
        """Wait for the next picture; `None` once the source is closed."""
        while self._frame is None and not self._closed:
            await self._changed.wait()
        frame, self._frame = self._frame, None
        self._changed.notify()
        return frame
