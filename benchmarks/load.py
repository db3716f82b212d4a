"""Many connections that talk at once, each in its own place within the 20 ms."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from .connection import Connection
from .markers import FRAME, script

TICK = 0.001
"""Time in s between two places within the 20 ms."""

_PLACES = round(FRAME / TICK)


class Load:
    """A group of connections to one server, as an async context manager that hangs up at the end.

    Args:
        url: Where the server is.
    """

    def __init__(self, url: str) -> None:
        self.connections: list[Connection] = []
        self.late = 0.0
        self._url = url
        self._talkers: list[list[Connection]] = [[] for _ in range(_PLACES)]
        self._pacing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pacing = asyncio.create_task(self._pace())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pacing is not None:
            self._pacing.cancel()
            await asyncio.gather(self._pacing, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self.connections))

    async def connect(self, count: int, *, talk: bool = True) -> list[Connection]:
        """Open so many more connections, one after the other.

        Args:
            count: How many.
            talk: Whether they send, from the moment that they stand.

        Raises:
            ConnectionError: If one cannot be opened.
        """
        fresh = []
        for _ in range(count):
            connection = Connection(self._url, script())
            await self.add(connection, talk=talk)
            fresh.append(connection)
        return fresh

    async def add(self, connection: Connection, *, talk: bool = True) -> None:
        """Open one more connection; otherwise as `connect`."""
        await connection.open()
        if talk:
            # Places that are far from each other come one after the other: 7 is prime to 20.
            self._talkers[len(self.connections) * 7 % _PLACES].append(connection)
        self.connections.append(connection)

    async def _pace(self) -> None:
        """Send at each place what is due there; where one was missed, at once."""
        start = time.perf_counter()
        ticks = 0
        while True:
            for connection in self._talkers[ticks % _PLACES]:
                connection.send()
            ticks += 1
            wait = start + ticks * TICK - time.perf_counter()
            self.late = max(self.late, -wait)
            if wait > 0:
                await asyncio.sleep(wait)
            elif ticks % _PLACES == 0:
                await asyncio.sleep(0)
