"""`SourceInterface`: anything that produces audio outside WebRTC."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from ..errors import FastRTCError
from ..usercode import call_guarded
from .block import Block, as_block

logger = logging.getLogger("fastrtc_core.sources")

Callback = Callable[[Block], object]


class SourceInterface(ABC):
    """A producer of blocks: a file, a device, a pipeline.

    Subclass `Source` for one with a thread of its own, or this for what has its own threads
    already. As a context manager it is started, and stopped at the end.

    Attributes:
        live: Whether what is not taken in time is lost, as with a microphone. Who reads it through
            a queue drops the oldest then, and holds back any other source.
        on_error: Called with an exception that ended the source, or that its callback raised.
        on_end: Called when nothing more will come, and nobody has stopped it.
    """

    live: bool = True
    on_error: Callable[[Exception], object] | None = None
    on_end: Callable[[], object] | None = None
    _callback: Callback | None = None
    _next_pts: int = 0

    def set_callback(self, callback: Callback | None) -> None:
        """Register who gets the blocks; takes the place of any other.

        Args:
            callback: Called with each `Block`, which is also a list of channel-aligned frames, on
                the thread of the source. What it raises is reported, and the next block comes.
        """
        self._callback = callback

    @abstractmethod
    def start(self) -> None:
        """Start to produce; without effect while it runs."""

    @abstractmethod
    def stop(self) -> None:
        """Stop and release everything; no callback is called after it. Without effect if stopped.

        Raises:
            Exception: What went wrong since the start, once.
        """

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except Exception:
            if error is None:  # else that one is the news; ours was reported when it happened
                raise

    # For subclasses

    def _emit(
        self,
        data: Sequence[Any] | NDArray[Any],
        pts: int | None = None,
        *,
        discontinuity: bool = False,
    ) -> None:
        """Deliver audio to the callback.

        Args:
            data: A list of channel-aligned frames, an `AudioFrame`, or a whole `Block`; or a list
                of the samples of each channel, as an array or a list of int16 values, at the
                `sample_rate` of the source.
            pts: Index of the first sample; by default it follows on what was delivered last.
            discontinuity: Whether something is missing before it.

        Raises:
            InvalidFrameError: If it is nothing of that; the text says what is wrong.
        """
        rate = getattr(self, "sample_rate", None)
        block = as_block(data, self._next_pts if pts is None else pts, discontinuity, rate)
        self._next_pts = block.end
        callback = self._callback
        if callback is None:
            return
        try:
            call_guarded(callback, block)
        except Exception as error:
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Tell the log and `on_error`."""
        known = isinstance(error, FastRTCError)
        logger.error("%s: %s", type(self).__name__, error, exc_info=None if known else error)
        if self.on_error is not None:
            self._call(lambda: self.on_error and self.on_error(error))

    def _report_end(self) -> None:
        """Tell `on_end`."""
        if self.on_end is not None:
            self._call(lambda: self.on_end and self.on_end())

    def _call(self, function: Callable[[], object]) -> None:
        try:
            call_guarded(function)
        except Exception:
            logger.exception("%s: on_error or on_end failed", type(self).__name__)
