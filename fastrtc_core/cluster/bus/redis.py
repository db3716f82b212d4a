"""`RedisBus`: a bus over a Redis server."""

from __future__ import annotations

import asyncio
import logging
import math
import random

from ...errors import BusError, ConfigurationError
from .calling import call_safely
from .interface import (
    ID_SIZE,
    Bus,
    BusId,
    BusStatistics,
    Receiver,
    StateListener,
    check_ttl,
)
from .publish_queue import MAX_BYTES, MAX_MESSAGES, BusMessage, PublishQueue
from .redis_link import RedisLink
from .redis_sentinel import target_of
from .redis_wire import AccessRefusedError, ErrorReply

START_TIMEOUT = 3.0
"""How long in s `start` waits for the first connection."""

FLUSH_TIMEOUT = 0.5
"""How long in s `aclose` waits for the last messages to leave."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""s between two attempts to connect: twice as long each time, up to this."""

RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
"""Frees a key of ours, and not of whom has claimed it after us."""

logger = logging.getLogger(__name__)


class RedisBus(Bus):
    """A bus between servers, over one Redis server; extra `redis`.

    Topics are channels of Redis, `{prefix}:{topic}`, which all its databases share: applications on
    one server need a prefix each. Claims are keys, `{prefix}:claim:{key}`.

    A connection that is lost, or a server that answers no more, is noticed within 2 s and reported,
    and tried again for ever. What is published meanwhile is dropped; what the server had taken
    before may still arrive.

    Args:
        url: Where the server is: `redis://user:password@host:6379/0`, `rediss://` for TLS, or
            `unix://path`. With Sentinels,
            `redis+sentinel://user:password@host1:26379,host2:26379/name/0`: the bus follows the
            master that they call `name`.
        prefix: What its topics and keys begin with.
        max_queued: Messages that may wait.
        max_queued_bytes: Bytes that may wait.

    Raises:
        ConfigurationError: If the url cannot be read, or the extra `redis` is missing.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        prefix: str = "fastrtc",
        max_queued: int = MAX_MESSAGES,
        max_queued_bytes: int = MAX_BYTES,
    ) -> None:
        self._target = target_of(url)
        self._prefix = prefix
        self._own = BusId()
        self._id = self._own.here
        """Stands before each message, and says which bus has published it."""
        self._queue: PublishQueue[bytes] = PublishQueue(max_queued, max_queued_bytes)
        self._callbacks: dict[bytes, Receiver] = {}
        self._link: RedisLink | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._connected = False
        self._received = self._connects = 0

    def __repr__(self) -> str:
        state = "connected" if self._connected else "not connected"
        return f"<RedisBus {self._target.name} {state}>"

    @property
    def connected(self) -> bool:
        """Whether the server answers."""
        return self._connected

    async def start(self, note_state: StateListener) -> None:
        """Begin; waits 3 s at most for the server, which is tried again for ever.

        Raises:
            ConfigurationError: If it runs already, or the server refuses user or password.
        """
        if self._supervisor is not None:
            raise ConfigurationError(f"{self!r} runs already")
        self._id = self._own.here
        first: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._keep_connected(note_state, first), name="bus")
        try:
            await asyncio.wait((first,), timeout=START_TIMEOUT)
            refusal = first.result() if first.done() else ""
        except BaseException:
            await self.aclose()
            raise
        finally:
            first.cancel()  # who comes later has nobody to tell
        if refusal:
            await self.aclose()
            raise ConfigurationError(f"the server {self._target.name} lets nobody in: {refusal}")

    def publish(self, topic: str, data: bytes) -> bool:
        """Queue a message for all other buses that subscribe to the topic."""
        if not self._connected or self._link is None:
            self._queue.refuse()
            return False
        taken = self._queue.push(BusMessage(self._channel(topic), self._id + data))
        self._link.wake()
        return taken

    async def subscribe(self, topic: str, callback: Receiver) -> None:
        """Have a callback called with all that others publish to a topic.

        Raises:
            BusError: If the server does not allow it.
        """
        channel = self._channel(topic)
        self._callbacks[channel] = callback
        if self._link is not None:
            await self._link.subscribe(channel)

    async def unsubscribe(self, topic: str) -> None:
        """Have the callback of a topic called no more."""
        channel = self._channel(topic)
        if self._callbacks.pop(channel, None) is not None and self._link is not None:
            await self._link.unsubscribe(channel)

    async def claim(self, key: str, ttl: float) -> bool:
        """Be the first to claim a key.

        Raises:
            BusError: If the server is away, or refuses.
            ConfigurationError: If `ttl` is not a time above 0.
        """
        milliseconds = math.ceil(check_ttl(ttl) * 1000)
        if not self._connected or self._link is None:
            raise BusError(f"the server {self._target.name} is not connected")
        answer = await self._link.request("SET", self._key(key), self._id, "NX", "PX", milliseconds)
        if isinstance(answer, ErrorReply):
            raise BusError(f"the server {self._target.name} refuses a claim: {answer}")
        return answer is not None

    async def release(self, key: str) -> None:
        """Free a key of this bus."""
        if not self._connected or self._link is None:
            return
        try:
            answer = await self._link.request("EVAL", RELEASE, 1, self._key(key), self._id)
        except BusError:
            return  # it ends with its ttl
        if isinstance(answer, ErrorReply):
            logger.warning("The server %s refuses a release: %s", self._target.name, answer)

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
        supervisor = self._supervisor
        if supervisor is None:
            return
        was_connected, self._connected = self._connected, False
        try:
            if was_connected and self._link is not None:
                async with asyncio.timeout(FLUSH_TIMEOUT):
                    await self._link.flush()
        except TimeoutError:
            pass
        finally:
            supervisor.cancel()
        await asyncio.wait((supervisor,))
        self._supervisor = None

    # The life of the connection

    async def _keep_connected(self, note_state: StateListener, first: asyncio.Future[str]) -> None:
        """Connect, again and again, and tell of it."""
        loop = asyncio.get_running_loop()
        attempts, told, since = 0, "", math.inf

        def ready() -> None:
            nonlocal told, since
            told, since = "", loop.time()
            self._connected = True
            self._connects += 1
            logger.info("The bus is connected to %s", self._target.name)
            call_safely(note_state, True)
            if not first.done():
                first.set_result("")

        while True:
            since = math.inf
            self._link = RedisLink(self._target, self._queue, self._deliver)
            try:
                await self._link.run(self._callbacks.keys(), ready)
            except Exception as error:
                if isinstance(error, AccessRefusedError) and not first.done():
                    first.set_result(str(error))
                    return
                if str(error) != told:
                    told = str(error)
                    # Other errors than of the connection are ours, and want their traceback.
                    trace = None if isinstance(error, BusError) else error
                    text = "The bus has no connection to %s: %s; it goes on trying"
                    logger.warning(text, self._target.name, error, exc_info=trace)
            finally:
                self._link = None
                self._queue.clear()
                was_connected, self._connected = self._connected, False
            if _is_cancelled():
                return  # at the moment when the connection broke
            if was_connected:
                call_safely(note_state, False)
            # One that breaks as soon as it stands is not tried any faster than one that never does.
            attempts = 0 if loop.time() - since > LONGEST_PAUSE else attempts + 1
            await asyncio.sleep(pause(attempts))

    def _deliver(self, channel: bytes, data: bytes) -> None:
        callback = self._callbacks.get(channel)
        if callback is None or data[:ID_SIZE] == self._id or len(data) < ID_SIZE:
            return
        self._received += 1
        call_safely(callback, data[ID_SIZE:])

    def _channel(self, topic: str) -> bytes:
        return f"{self._prefix}:{topic}".encode("utf-8", "surrogatepass")

    def _key(self, key: str) -> bytes:
        return f"{self._prefix}:claim:{key}".encode("utf-8", "surrogatepass")


def pause(attempts: int) -> float:
    """How long in s to wait after so many failed attempts; never the same for all servers."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts, 10))
    return longest * random.uniform(0.5, 1.0)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
