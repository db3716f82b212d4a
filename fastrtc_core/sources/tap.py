"""What every reader of a source shares: it starts it, hears of its end, and stops it."""

from __future__ import annotations

from collections.abc import Callable

from .block import Block
from .interface import SourceInterface
from .source import Source


class Tap:
    """Takes what a source delivers, from its start to its stop.

    The `on_error` and `on_end` of the application are called as well.

    Args:
        source: The source.
        on_block: Called with each block, on the thread of the source.
        on_end: Called once when no more will come: it has ended, failed, or was stopped.
    """

    def __init__(
        self,
        source: SourceInterface,
        on_block: Callable[[Block], object],
        on_end: Callable[[], object],
    ) -> None:
        self._source = source
        self._on_block = on_block
        self._on_end = on_end
        self._theirs = source.on_end

    def start(self) -> None:
        """Start the source."""
        source = self._source
        self._theirs = source.on_end
        source.set_callback(self._on_block)
        source.on_end = self._end
        if isinstance(source, Source):
            source._at_stop.add(self._on_end)
        try:
            source.start()
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Stop the source, and leave it as it was.

        Raises:
            Exception: What went wrong in it.
        """
        self._on_end()
        try:
            self._source.stop()
        finally:
            self._release()

    def _end(self) -> None:
        self._on_end()
        if self._theirs is not None:
            self._theirs()

    def _release(self) -> None:
        source = self._source
        source.set_callback(None)
        if source.on_end == self._end:
            source.on_end = self._theirs
        if isinstance(source, Source):
            source._at_stop.discard(self._on_end)
