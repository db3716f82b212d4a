"""`Drive`: pulls a local track for its readers where no transport does."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .signal import Signal


class Driven(Protocol):
    """A local track."""

    @property
    def _changed(self) -> Signal:
        """Notified when something may be due earlier or later than before."""

    def _pull_due(self, now: float) -> float | None:
        """Take and deliver what is due; returns when the next is, or `None` if nothing waits."""


class Drive:
    """Works on timers alone, without a task: nothing to own, and nothing to leak.

    It belongs to the event loop on which it was started, and ends with the source of the track.

    Args:
        track: What to pull.
    """

    def __init__(self, track: Driven) -> None:
        self._track = track
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # uvloop's handle of a timer that is due already does not know when it was.
        self._due: float | None = None
        self._looking = False
        track._changed.listen(self._look)
        self._look()

    def stop(self) -> None:
        """Pull no more; idempotent."""
        self._track._changed.forget(self._look)
        self._arm(None)

    def _look(self) -> None:
        if self._looking:  # to pull is a change, too
            return
        self._looking = True
        try:
            self._arm(self._track._pull_due(self._loop.time()))
        finally:
            self._looking = False

    def _fire(self) -> None:
        self._timer = None
        self._look()

    def _arm(self, due: float | None) -> None:
        if self._timer is not None:
            if self._due == due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = None if due is None else self._loop.call_at(due, self._fire)
