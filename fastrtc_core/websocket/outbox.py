"""What is on its way to a client, in order, and bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from ..errors import ChannelClosedError, MessageError, QueueFullError
from .dialect import Dialect
from .socket import Socket

MAX_WAITING = 1 << 20
"""Characters of messages that may wait, or bytes."""

MAX_MESSAGE = 1 << 18
"""Characters of the largest message, or bytes."""


class Outbox:
    """Sends messages and audio over one socket; it is the message channel of the session.

    A message is queued without waiting. Whoever sends audio waits until it has left, so that a
    client that reads slowly holds back the playout, and nothing else.

    Args:
        socket: Where everything goes.
        dialect: How messages are written.

    Attributes:
        raw: The socket.
        asks: Whether the client can be asked for its inputs.
    """

    def __init__(self, socket: Socket, dialect: Dialect) -> None:
        self.raw: Any = socket
        self.asks = dialect.asks
        self._dialect = dialect
        self._items: deque[tuple[str | bytes, asyncio.Future[None] | None]] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._low = asyncio.Event()
        self._low.set()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether nothing more should be queued before something has left."""
        return self._waiting > MAX_WAITING

    def post(self, text: str) -> None:
        """Queue a message of the session.

        Raises:
            ChannelClosedError: If the socket is closed.
            QueueFullError: If too much waits.
            MessageError: If it is too large.
        """
        if len(text) > MAX_MESSAGE:
            raise MessageError(f"a message of {len(text)} characters is larger than {MAX_MESSAGE}")
        self._post(self._dialect.message(text))

    def post_bytes(self, data: bytes) -> None:
        """Queue a binary message; raises as `post` does, and where clients take text alone."""
        if len(data) > MAX_MESSAGE:
            raise MessageError(f"a message of {len(data)} bytes is larger than {MAX_MESSAGE}")
        self._post(self._dialect.binary(data))

    def _post(self, parts: Sequence[str | bytes]) -> None:
        for written in parts:
            if self._closed:
                raise ChannelClosedError("the socket is closed")
            if self.full:
                raise QueueFullError(f"{self._waiting} characters or bytes wait already")
            self.put(written)

    def put(self, data: str | bytes) -> None:
        """Queue what is no message of the session; it is short, and there is little of it."""
        self._add(data, None)

    async def send(self, parts: Sequence[str | bytes]) -> None:
        """Send after what waits, in this order, and wait until it has left."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        *first, last = parts
        for part in first:
            self._add(part, None)
        self._add(last, done)
        await done

    async def drain(self) -> None:
        """Wait until there is room, or the socket is closed."""
        while self._waiting > MAX_WAITING // 4 and not self._closed:
            self._low.clear()
            await self._low.wait()

    async def flush(self, timeout: float) -> None:
        """Wait until everything has left, for `timeout` s at most."""
        try:
            async with asyncio.timeout(timeout):
                while self._items and not self._closed:
                    self._low.clear()
                    await self._low.wait()
        except TimeoutError:
            return

    async def run(self) -> None:
        """Send what comes, until the socket is closed (`DisconnectedError`)."""
        try:
            while True:
                while not self._items:
                    self._wake.clear()
                    await self._wake.wait()
                data, done = self._items[0]
                await self.raw.send(data)
                self._items.popleft()
                self._waiting -= len(data)
                if done is not None and not done.done():
                    done.set_result(None)
                self._low.set()
        finally:
            self._closed = True
            self._low.set()
            for _, done in self._items:
                if done is not None:
                    done.cancel()

    def _add(self, data: str | bytes, done: asyncio.Future[None] | None) -> None:
        self._items.append((data, done))
        self._waiting += len(data)
        self._wake.set()
