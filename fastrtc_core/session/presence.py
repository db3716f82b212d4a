"""Telling a handler that its client is away, and that it is back: one call after the other."""

from __future__ import annotations

from collections.abc import Mapping

from ..tracks.signal import Signal
from .calls import UserCall
from .reports import Reporter


class Presence:
    """Whether the client is there, and whether the handler knows.

    A client that comes and goes while a hook still runs is told of as it is when that returns.
    """

    def __init__(self) -> None:
        self._there = True
        self._changed = Signal()

    def note(self, there: bool) -> None:
        """The client has come, or gone."""
        self._there = there
        self._changed.notify()

    async def run(self, hooks: Mapping[str, UserCall], reporter: Reporter) -> None:
        """Call `on_pause` and `on_resume`, those that there are, until cancelled."""
        known = True
        while True:
            while self._there is known:
                await self._changed.wait()
            known = self._there
            name = "on_resume" if known else "on_pause"
            if (hook := hooks.get(name)) is None:
                continue
            try:
                await hook()
            except Exception as error:
                reporter.error(error, name)
