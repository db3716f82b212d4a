"""Waking every task that waits for a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Signal:
    """Wakes all who wait, once per `notify`; a waiter that is cancelled disturbs no other."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []
        self._listeners: tuple[Callable[[], None], ...] = ()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    async def wait(self, until: float | None = None) -> None:
        """Wait for the next `notify`, or until that loop time (s)."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiters.append(future)
        timer = None if until is None else loop.call_at(until, _resolve, future)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()
            if future in self._waiters:
                self._waiters.remove(future)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call a function at each `notify`."""
        self._listeners += (callback,)

    def forget(self, callback: Callable[[], None]) -> None:
        """Do so no longer; idempotent."""
        self._listeners = tuple(one for one in self._listeners if one != callback)

    def notify(self) -> None:
        """Wake everyone who waits, and tell everyone who listens."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for future in waiters:
                _resolve(future)
        for listener in self._listeners:
            listener()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
