"""`LocalBus`: a bus between the processes of one machine, which they make themselves.

All try to bind one name. The one that succeeds serves, and connects to itself as the others do.
When it dies the kernel frees the name; all see their connection break, and try again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import re
import socket
import sys
from collections.abc import Callable

from ...errors import BusError, ConfigurationError
from .calling import call_safely
from .interface import Bus, BusId, BusStatistics, Receiver, StateListener, check_ttl
from .local_hub import LocalHub, closed_on_error, is_own
from .local_link import LocalLink
from .memory import Claims
from .publish_queue import MAX_BYTES, MAX_MESSAGES, BusMessage, PublishQueue

START_TIMEOUT = 3.0
"""How long in s `start` waits for the first connection."""

FLUSH_TIMEOUT = 0.5
"""How long in s `aclose` waits for the last messages to leave."""

PAUSE = 0.05
"""s between two attempts to connect or to serve, at most."""

BACKLOG = 128

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

logger = logging.getLogger(__name__)


class LocalBus(Bus):
    """A bus between processes of one user on one machine, such as the workers of one server.

    One of them serves the others, over a Unix socket in Linux's abstract namespace (`unix(7)`): no
    file is left behind, and a container has names of its own. When that process ends or is killed,
    another takes its place within a moment; what is published meanwhile is dropped, and what it
    alone had claimed is free again.

    Args:
        name: Who names the same, belongs together: 1 to 64 letters, digits, `.`, `_` and `-`.
        max_queued: Messages that may wait.
        max_queued_bytes: Bytes that may wait.

    Raises:
        ConfigurationError: If the name is none, or this is not Linux.
    """

    def __init__(
        self,
        name: str,
        *,
        max_queued: int = MAX_MESSAGES,
        max_queued_bytes: int = MAX_BYTES,
    ) -> None:
        if not sys.platform.startswith("linux"):
            raise ConfigurationError("LocalBus needs Linux; elsewhere, RedisBus does the same")
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                "The name of a LocalBus must be 1 to 64 letters, digits, '.', '_' and '-', "
                f"not {name!r}"
            )
        self._name = name
        self._address = f"\0fastrtc-{os.getuid()}-{name}"
        self._own = BusId()
        self._id = self._own.here
        self._queue: PublishQueue[bytes] = PublishQueue(max_queued, max_queued_bytes)
        self._callbacks: dict[bytes, Receiver] = {}
        self._claims = Claims()
        self._life: asyncio.Task[None] | None = None
        self._link: LocalLink | None = None
        self._hub: LocalHub | None = None
        self._connected = False
        self._received = self._connects = 0

    def __repr__(self) -> str:
        state = "serves" if self._hub is not None else "connected" if self._connected else "alone"
        return f"<LocalBus {self._name} {state}>"

    @property
    def connected(self) -> bool:
        """Whether it is connected to the process that serves, which may be this one."""
        return self._connected

    async def start(self, note_state: StateListener) -> None:
        """Begin; waits 3 s at most for the first connection.

        Raises:
            ConfigurationError: If it runs already.
        """
        if self._life is not None:
            raise ConfigurationError(f"{self!r} runs already")
        self._id = self._own.here
        first = asyncio.Event()
        self._life = asyncio.create_task(self._keep_connected(note_state, first), name="bus")
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await first.wait()
        except TimeoutError:
            logger.warning("The bus %s has no connection yet", self._name)
        except BaseException:
            await self.aclose()
            raise

    def publish(self, topic: str, data: bytes) -> bool:
        """Queue a message for all other processes that subscribe to the topic."""
        if not self._connected or self._link is None:
            self._queue.refuse()
            return False
        taken = self._queue.push(BusMessage(_encoded(topic), b"" + data))
        self._link.wake()
        return taken

    async def subscribe(self, topic: str, callback: Receiver) -> None:
        """Have a callback called with all that others publish to a topic."""
        name = _encoded(topic)
        self._callbacks[name] = callback
        if self._link is not None:
            await self._link.subscribe(name)

    async def unsubscribe(self, topic: str) -> None:
        """Have the callback of a topic called no more."""
        name = _encoded(topic)
        if self._callbacks.pop(name, None) is not None and self._link is not None:
            self._link.unsubscribe(name)

    async def claim(self, key: str, ttl: float) -> bool:
        """Be the first to claim a key.

        Raises:
            BusError: If the bus is not connected.
            ConfigurationError: If `ttl` is not a time above 0.
        """
        check_ttl(ttl)
        if not self._connected or self._link is None:
            raise BusError(f"the bus {self._name} is not connected")
        if not await self._link.claim(_encoded(key), ttl):
            return False
        self._claims.claim(key, self._id, ttl, asyncio.get_running_loop().time())
        return True

    async def release(self, key: str) -> None:
        """Free a key of this bus."""
        self._claims.release(key, self._id)
        if self._link is not None:
            await self._link.release(_encoded(key))

    def statistics(self) -> BusStatistics:
        """What became of all messages so far."""
        return BusStatistics(
            published=self._queue.sent,
            received=self._received,
            dropped=self._queue.dropped,
            reconnects=max(0, self._connects - 1),
        )

    async def aclose(self) -> None:
        """End; what waits still leaves if that takes no longer than 0.5 s. Idempotent."""
        self._callbacks.clear()
        life, self._life = self._life, None
        if life is None:
            return
        was_connected, self._connected = self._connected, False
        try:
            if was_connected and self._link is not None:
                async with asyncio.timeout(FLUSH_TIMEOUT):
                    await self._link.flush()
        except (TimeoutError, BusError):
            pass
        finally:
            life.cancel()
        await asyncio.wait((life,))

    # The life of the connection

    async def _keep_connected(self, note_state: StateListener, first: asyncio.Event) -> None:
        def ready() -> None:
            self._connected = True
            self._connects += 1
            call_safely(note_state, True)
            first.set()

        told = ""
        try:
            while True:
                try:
                    await self._serve_if_free()
                    await self._live(ready)
                except Exception as error:
                    if str(error) != told:
                        told = str(error)
                        # Other errors than of the connection are ours, and want their traceback.
                        trace = None if isinstance(error, (OSError, BusError)) else error
                        text = "The bus %s is not connected: %s; it goes on trying"
                        logger.info(text, self._name, error, exc_info=trace)
                finally:
                    self._link = None
                    self._queue.clear()
                    was_connected, self._connected = self._connected, False
                if self._life is not asyncio.current_task():
                    return  # closed at the moment when the connection broke
                if was_connected:
                    told = ""
                    call_safely(note_state, False)
                await asyncio.sleep(PAUSE * random.uniform(0.2, 1.0))
        finally:
            hub, self._hub = self._hub, None
            if hub is not None:
                await hub.aclose()

    async def _serve_if_free(self) -> None:
        """Serve, if nobody does."""
        if self._hub is not None:
            return
        with closed_on_error(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
            try:
                sock.bind(self._address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                sock.close()
                return
            sock.listen(BACKLOG)
            sock.setblocking(False)
            hub = LocalHub()
            await hub.start(sock)
            self._hub = hub
        logger.info("This process serves the bus %s", self._name)

    async def _live(self, ready: Callable[[], None]) -> None:
        """Connect, and carry messages until the connection breaks."""
        loop = asyncio.get_running_loop()
        with closed_on_error(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, self._address)
            if not is_own(sock):
                raise BusError("a process of another user serves it")
            reader, writer = await asyncio.open_unix_connection(sock=sock)
        self._link = LocalLink(self._id, reader, writer, self._queue, self._deliver)
        held = self._claims.held_by(self._id, loop.time())
        await self._link.run(
            self._callbacks.keys(), {_encoded(key): ttl for key, ttl in held.items()}, ready
        )

    def _deliver(self, topic: bytes, data: bytes) -> None:
        callback = self._callbacks.get(topic)
        if callback is not None:
            self._received += 1
            call_safely(callback, data)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
