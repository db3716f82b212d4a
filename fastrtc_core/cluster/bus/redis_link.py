"""`RedisLink`: one life of the connection to a Redis server."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from ...errors import BusError
from .publish_queue import PublishQueue
from .redis_wire import Command, ErrorReply, Target, Wire

CONNECT_TIMEOUT = 2.0
"""How long in s a connection may take to stand."""

PING_INTERVAL = 0.7
"""s between one look whether the server is there, and the next."""

REPLY_TIMEOUT = 1.0
"""How long in s the server may take for that. Together they are how long a loss goes unnoticed."""

BATCH_MESSAGES = 128
BATCH_BYTES = 256 * 1024
"""As much leaves in one round trip; few enough that a look at the server does not wait for long."""

MAX_REQUESTS = 4096
"""Requests that wait for an answer."""


LOST = "the connection to the Redis server is lost"

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """A command, and who waits for the answer."""

    command: Command
    reply: asyncio.Future[Any]


class RedisLink:
    """One life of the connection to a server: made, used until it breaks, and thrown away.

    It has two sockets, as a server sends nothing but messages to one that has subscribed. When one
    breaks, both go.

    Args:
        target: Where the server is.
        queue: What is to be published; `wake` says when there is something.
        deliver: Called with topic and data of what arrives.
    """

    def __init__(
        self, target: Target, queue: PublishQueue[bytes], deliver: Callable[[bytes, bytes], None]
    ) -> None:
        self._target = target
        self._wires: tuple[Wire, ...] = ()
        self._queue = queue
        self._deliver = deliver
        self._open = self._closed = False
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._requests: deque[Request] = deque()
        self._waiting: set[asyncio.Future[Any]] = set()
        # On the socket with the messages one answer follows to each command, in their order.
        self._expected: deque[asyncio.Future[Any]] = deque()
        self._has_been_refused = False

    async def run(self, topics: Collection[bytes], ready: Callable[[], None]) -> None:
        """Connect, subscribe, call `ready`, and carry messages until the connection breaks.

        Args:
            topics: What to subscribe to; looked at when the server is reached.
            ready: Called when messages can go both ways.

        Raises:
            AccessRefusedError: If the server refuses user or password.
            BusError: If the connection fails or is lost.
        """
        try:
            async with _limit(CONNECT_TIMEOUT):
                where = await self._target.found()
                self._wires = self._target.wire(**where), self._target.wire(**where)
                for wire in self._wires:
                    await wire.open()
                await self._target.check(self._wires[0])
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(), name="bus-receive")
                tasks.create_task(self._send(), name="bus-send")
                self._open = True
                async with _limit(REPLY_TIMEOUT):
                    for reply in await self._tell(*(("SUBSCRIBE", topic) for topic in topics)):
                        if isinstance(reply, ErrorReply):
                            logger.warning("The Redis server refuses a topic: %s", reply)
                    await self._ping()
                ready()
                await self._watch()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._give_up()
            for wire in self._wires:
                await wire.close()

    def wake(self) -> None:
        """There is something in the queue."""
        self._idle.clear()
        self._work.set()

    async def flush(self) -> None:
        """Wait until the server has all that was in the queue, or the link is lost."""
        await self._idle.wait()

    async def subscribe(self, topic: bytes) -> None:
        """Have messages of a topic come; they do when it returns, unless the link is lost.

        Raises:
            BusError: If the server refuses.
        """
        await self._change("SUBSCRIBE", topic)

    async def unsubscribe(self, topic: bytes) -> None:
        """Have no more messages of a topic come."""
        await self._change("UNSUBSCRIBE", topic)

    async def request(self, *command: str | bytes | int) -> Any:
        """The server's answer to a command: bytes, a number, `None`, or an `ErrorReply`.

        Raises:
            BusError: If the connection is lost meanwhile, or too many wait.
        """
        if self._closed:
            raise BusError(LOST)
        if len(self._requests) >= MAX_REQUESTS:
            raise BusError(f"{MAX_REQUESTS} requests wait for the server already")
        reply = self._promise()
        self._requests.append(Request(command, reply))
        self.wake()
        answer = await reply
        if answer is LOST:
            raise BusError(LOST)
        return answer

    async def _change(self, command: str, topic: bytes) -> None:
        if not self._open or self._closed:
            return  # the next subscription of all topics sees to it
        try:
            (reply,) = await self._tell((command, topic))
        except BusError:
            return  # lost while it was written; as above
        if isinstance(reply, ErrorReply):
            raise BusError(f"the Redis server refuses the topic: {reply}")

    async def _tell(self, *commands: Command) -> list[Any]:
        """The answers to commands on the socket that gets the messages."""
        replies = [self._promise() for _ in commands]
        self._expected.extend(replies)
        await self._wires[0].write(commands)
        return [await reply for reply in replies]

    async def _ping(self) -> None:
        """Have both sockets answer; an answer that refuses is one."""
        await self._tell(("PING",))
        await self.request("PING")

    async def _watch(self) -> None:
        """Raise when the server answers no more."""
        while True:
            await asyncio.sleep(PING_INTERVAL)
            async with _limit(REPLY_TIMEOUT):
                await self._ping()

    async def _receive(self) -> None:
        """Hand on messages, and the answers between them."""
        while True:
            answer = await self._wires[0].read()
            if isinstance(answer, list) and answer[0] == b"message":
                self._deliver(answer[1], answer[2])
            elif self._expected:
                _settle(self._expected.popleft(), answer)
            else:
                raise BusError(f"the Redis server says what nobody asked: {answer!r:.200}")

    async def _send(self) -> None:
        """Send all that waits, wait for the answers, and again."""
        wire = self._wires[1]
        while True:
            requests = self._take_requests()
            messages = self._queue.take(BATCH_MESSAGES, BATCH_BYTES)
            if not requests and not messages:
                self._idle.set()
                self._work.clear()
                await self._work.wait()
                continue
            commands = [request.command for request in requests]
            commands += [("PUBLISH", message.topic, message.data) for message in messages]
            await wire.write(commands)
            for request in requests:
                _settle(request.reply, await wire.read())
            answers = [await wire.read() for _ in messages]
            refused = [answer for answer in answers if isinstance(answer, ErrorReply)]
            self._queue.settle(sent=len(messages) - len(refused), lost=len(refused))
            if refused and not self._has_been_refused:
                self._has_been_refused = True
                logger.warning("The Redis server takes no messages: %s", refused[0])

    def _take_requests(self) -> list[Request]:
        taken: list[Request] = []
        while self._requests and len(taken) < BATCH_MESSAGES:
            request = self._requests.popleft()
            if not request.reply.done():  # or whoever asked has gone
                taken.append(request)
        return taken

    def _promise(self) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_result(LOST)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    def _give_up(self) -> None:
        self._closed = True
        self._idle.set()
        for future in tuple(self._waiting):
            _settle(future, LOST)


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if not future.done():
        future.set_result(answer)


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """Raise `BusError` when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise BusError(f"no answer within {seconds:g} s") from None
