"""`LocalLink`: one life of the connection to the process that serves a `LocalBus`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from ...errors import BusError
from .local_hub import Kind, pack, pack_claim, pack_message, read_frame, read_message
from .publish_queue import PublishQueue

REPLY_TIMEOUT = 2.0
"""How long in s the process that serves may take for an answer, before the connection is lost."""

BATCH_MESSAGES = 256
BATCH_BYTES = 1 << 20
"""As much is written before the reader is waited for."""


class LocalLink:
    """A connection: made, used until it breaks, and thrown away.

    Args:
        id: Of the bus.
        reader: What comes.
        writer: Where to write.
        queue: What is to be published; `wake` says when there is something.
        deliver: Called with topic and data of what arrives.
    """

    def __init__(
        self,
        id: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        queue: PublishQueue[bytes],
        deliver: Callable[[bytes, bytes], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._queue = queue
        self._deliver = deliver
        self._asked: deque[asyncio.Future[bool]] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._closed = False
        writer.write(pack(Kind.HELLO, id))

    async def run(
        self, topics: Iterable[bytes], held: Mapping[bytes, float], ready: Callable[[], None]
    ) -> None:
        """Subscribe, claim again, call `ready`, and carry messages until the connection breaks.

        Args:
            topics: What to subscribe to.
            held: What is claimed, and for how many s more.
            ready: Called when messages can go both ways.

        Raises:
            BusError: When it is lost.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(), name="bus-receive")
                tasks.create_task(self._send(), name="bus-send")
                # All at once, so that what is given up from now on is given up after it.
                for topic in topics:
                    self._begin(pack(Kind.SUBSCRIBE, topic))
                for key, ttl in held.items():
                    self._begin(pack_claim(key, ttl))
                await self._ask(pack(Kind.PING))
                ready()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._closed = True
            self._idle.set()
            for reply in self._asked:
                if not reply.done():
                    reply.set_exception(BusError("the connection is lost"))
                    reply.exception()  # whoever asked may be gone
            self._writer.close()

    def wake(self) -> None:
        """There is something in the queue."""
        self._idle.clear()
        self._work.set()

    async def flush(self) -> None:
        """Wait until all that was in the queue was handed on."""
        await self._idle.wait()
        await self._ask(pack(Kind.PING))

    async def subscribe(self, topic: bytes) -> None:
        """Have messages of a topic come; they do when it returns, unless the link is lost."""
        with contextlib.suppress(BusError):  # the next link subscribes to all
            await self._ask(pack(Kind.SUBSCRIBE, topic))

    def unsubscribe(self, topic: bytes) -> None:
        """Have no more messages of a topic come."""
        if not self._closed:
            self._writer.write(pack(Kind.UNSUBSCRIBE, topic))

    async def claim(self, key: bytes, ttl: float) -> bool:
        """Whether a key was free.

        Raises:
            BusError: If the connection is lost.
        """
        return await self._ask(pack_claim(key, ttl))

    async def release(self, key: bytes) -> None:
        """Free a key; it is free when it returns, unless the link is lost."""
        with contextlib.suppress(BusError):
            await self._ask(pack(Kind.RELEASE, key))

    def _begin(self, frame: bytes) -> asyncio.Future[bool]:
        """Ask; answers come in the order of the questions."""
        if self._closed:
            raise BusError("the connection is lost")
        reply: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append(reply)
        self._writer.write(frame)
        return reply

    async def _ask(self, frame: bytes) -> bool:
        reply = self._begin(frame)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                return await reply
        except TimeoutError:
            self._writer.transport.abort()
            raise BusError("the process that serves the bus does not answer") from None

    async def _receive(self) -> None:
        while True:
            kind, body = await read_frame(self._reader)
            if kind is Kind.PUBLISH:
                self._deliver(*read_message(body))
            elif kind in (Kind.YES, Kind.NO) and self._asked:
                reply = self._asked.popleft()
                if not reply.done():
                    reply.set_result(kind is Kind.YES)
            else:
                raise BusError(f"the process that serves the bus says {kind.name} unasked")

    async def _send(self) -> None:
        while True:
            messages = self._queue.take(BATCH_MESSAGES, BATCH_BYTES)
            if not messages:
                self._idle.set()
                self._work.clear()
                await self._work.wait()
                continue
            try:
                for message in messages:
                    self._writer.write(pack_message(message.topic, message.data))
                await self._writer.drain()
            except OSError as error:
                raise BusError(str(error)) from None
            self._queue.settle(sent=len(messages))
