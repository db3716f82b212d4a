"""`Relay`: calls from one process to another, to whichever holds an id.

Nobody keeps a list of who holds what: the process that holds an id subscribes to its topic, and the
bus does the rest. A call is published there, again and again until somebody accepts it; if nobody
does within a second, nobody holds the id. From then on both sides say every other second that they
are there, and neither waits for one that was killed.

    topic                 | what comes there
    `{name}/id/{id}`      | `call`: to the holder of the id
    `{name}/to/{process}` | of who is called: `accept`, `item`, `answer`, `alive`
                          | of who calls: `attending`, `bye`
    `{name}/held`         | `held`: some process has begun to hold an id
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from ..errors import BusError, EndOfStreamError, MessageError, QueueFullError, UnknownSessionError
from . import wire
from .exchange import Exchange, Service

if TYPE_CHECKING:
    from ..cluster.bus import Bus

logger = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a call is published before nobody holds the id."""

ATTEMPT_TIMEOUT = 0.25
"""How long in s the holder may take to accept it, each time."""

CALL_TIMEOUT = 15.0
"""How long in s an answer may take, by default."""

BEAT = 2.0
"""s between one sign of life and the next, while there are calls."""

GONE_AFTER = 6.0
"""s without one after which the other process is taken for dead."""

MAX_SERVED = 1024
"""Calls of others that may be answered at once."""

MAX_REMEMBERED = 4096
"""Calls of others that are known again if they are published once more."""

_ANSWERS = ("accept", "item", "answer", "alive")
"""What whoever is called says."""

Answerer = Callable[[str, Any], Awaitable[Any]]
"""Takes the id and what was asked, and returns the answer."""

Streamer = Callable[[str, Any], AsyncGenerator[Any, None]]
"""The same for many answers."""


class Relay:
    """This process among those that share a bus.

    Args:
        bus: What carries the calls.
        note_held: Called with each id that another process begins to hold.
    """

    def __init__(self, bus: Bus, note_held: Callable[[str], None]) -> None:
        self._bus = bus
        self._name = ""
        self._note_held = note_held
        self._process = ""
        self._answerers: dict[str, Answerer] = {}
        self._streamers: dict[str, Streamer] = {}
        self._numbers = count()
        self._exchanges: dict[int, Exchange] = {}
        self._services: dict[tuple[str, int], Service] = {}
        self._known: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: asyncio.TaskGroup

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._loop is not None

    @property
    def here(self) -> bool:
        """Whether it runs on this event loop."""
        return self._loop is asyncio.get_running_loop()

    def answer(self, kind: str, answerer: Answerer) -> None:
        """Have calls of a kind answered so, for ids that are held here."""
        self._answerers[kind] = answerer

    def stream(self, kind: str, streamer: Streamer) -> None:
        """The same for calls that are answered many times."""
        self._streamers[kind] = streamer

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in a task that ends with this; it raises nothing. Only while it runs."""
        self._tasks.create_task(work)

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[None]:
        """Be reached by the others for as long as the context lasts.

        Args:
            name: What the topics begin with.
        """
        self._name = name
        # Not before: processes may be copies of one that has made this.
        self._process = secrets.token_urlsafe(8)
        await self._bus.start(self._note_state)
        try:
            await self._bus.subscribe(f"{self._name}/to/{self._process}", self._take)
            await self._bus.subscribe(f"{self._name}/held", self._take)
            async with asyncio.TaskGroup() as self._tasks:
                beat = self._tasks.create_task(self._beat(), name="relay-beat")
                self._loop = asyncio.get_running_loop()
                try:
                    yield
                finally:
                    self._loop = None
                    beat.cancel()
                    for service in self._services.values():
                        service.task.cancel()
                    for exchange in self._exchanges.values():
                        exchange.end(error=BusError("this process is shutting down"))
        except BaseExceptionGroup as group:  # its tasks raise nothing: it is of the context
            raise group.exceptions[0] from None
        finally:
            await self._bus.aclose()

    async def claim(self, key: str, ttl: float) -> bool:
        """See `Bus.claim`."""
        return await self._bus.claim(f"{self._name}/{key}", ttl)

    async def release(self, key: str) -> None:
        """See `Bus.release`."""
        await self._bus.release(f"{self._name}/{key}")

    async def hold(self, id: str) -> None:
        """Answer for an id from now on, and tell the others.

        Raises:
            BusError: If the bus does not allow it.
        """
        await self._bus.subscribe(f"{self._name}/id/{id}", partial(self._take_call, id))
        self._publish(f"{self._name}/held", {"type": "held", "id": id})

    async def let_go(self, id: str) -> None:
        """Answer no more for an id; idempotent."""
        await self._bus.unsubscribe(f"{self._name}/id/{id}")

    async def call(self, id: str, kind: str, data: Any, timeout: float = CALL_TIMEOUT) -> Any:
        """Ask the process that holds an id, and return its answer.

        Raises:
            UnknownSessionError: If no process holds it.
            BusError: If the others cannot be reached, the holder dies meanwhile, or takes longer
                than `timeout` s.
            MessageError: If JSON cannot carry what is asked, or it is too large for the bus.
            Exception: What went wrong there.
        """
        async with self._opened(id, kind, data) as exchange:
            try:
                async with asyncio.timeout(timeout) as limit:
                    return await exchange.result()
            except TimeoutError:
                if not limit.expired():
                    raise  # that of the other side
                raise BusError(
                    f"the process that holds {id!r} gave no answer within {timeout:g} s"
                ) from None

    async def items(self, id: str, kind: str, data: Any) -> AsyncGenerator[Any, None]:
        """Yield what the process that holds an id puts out.

        Raises:
            Exception: As `call`.
        """
        async with self._opened(id, kind, data) as exchange:
            while True:
                try:
                    item = await exchange.get()
                except EndOfStreamError:
                    break
                yield item
            await exchange.result()

    async def is_held(self, id: str) -> bool:
        """Whether a process that lives holds an id.

        Raises:
            BusError: If the others cannot be reached.
        """
        try:
            async with self._opened(id, "ping", None):
                return True  # whatever it answers
        except UnknownSessionError:
            return False

    # Of who calls

    @asynccontextmanager
    async def _opened(self, id: str, kind: str, data: Any) -> AsyncIterator[Exchange]:
        assert self._loop is not None
        number = next(self._numbers)
        note = {
            "type": "call",
            "from": self._process,
            "number": number,
            "kind": kind,
            "data": data,
        }
        packed = wire.pack(note)
        exchange = self._exchanges[number] = Exchange(self._loop.time())
        try:
            await self._find(exchange, id, packed)
            yield exchange
        finally:
            del self._exchanges[number]
            if exchange.accepted.is_set() and not exchange.ended:
                self._tell(exchange.holder, {"type": "bye", "number": number})

    async def _find(self, exchange: Exchange, id: str, packed: bytes) -> None:
        """Have some process accept a call."""
        reached = True
        for _ in range(ATTEMPTS):
            reached &= self._bus.connected
            self._send(f"{self._name}/id/{id}", packed)
            try:
                async with asyncio.timeout(ATTEMPT_TIMEOUT):
                    await exchange.accepted.wait()
                    return
            except TimeoutError:
                pass
        if not reached:
            raise BusError("the other processes cannot be reached now: try again")
        raise UnknownSessionError(f"no process holds a session with the id {id!r}")

    # Of who is called

    def _take_call(self, id: str, data: bytes) -> None:
        try:
            note = wire.unpack(data)
            caller, number, kind = note["from"], note["number"], note["kind"]
            asked = note["data"]
            if type(caller) is not str or type(number) is not int or type(kind) is not str:
                raise MessageError("a call names no caller, number or kind")
        except (MessageError, KeyError) as error:
            logger.warning("A call of another process was dropped: %s", error)
            return
        if self._loop is None:
            return
        self._tell(caller, {"type": "accept", "number": number, "from": self._process})
        key = caller, number
        if key in self._known:
            return
        self._known[key] = None
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        if len(self._services) >= MAX_SERVED:
            self._refuse(key, QueueFullError("the process has too many calls to answer"))
            return
        task = self._tasks.create_task(self._serve(key, id, kind, asked), name=f"relay-{kind}")
        self._services[key] = Service(caller, number, task, self._loop.time())
        task.add_done_callback(lambda _: self._services.pop(key, None))

    async def _serve(self, key: tuple[str, int], id: str, kind: str, asked: Any) -> None:
        try:
            if kind in self._streamers:
                async with aclosing(self._streamers[kind](id, asked)) as items:
                    async for item in items:
                        self._answer(key, {"type": "item", "item": item})
                self._answer(key, {"type": "answer"})
            elif kind in self._answerers:
                result = await self._answerers[kind](id, asked)
                self._answer(key, {"type": "answer", "result": result})
            elif kind == "ping":
                self._answer(key, {"type": "answer"})
            else:
                raise BusError(f"the process that holds {id!r} does not know {kind!r}")
        except Exception as error:
            if not wire.is_passed_on(error):
                logger.exception("A call of another process failed")
            self._refuse(key, error)

    def _answer(self, key: tuple[str, int], note: dict[str, Any]) -> None:
        """Answer a call; raises `MessageError` if that cannot be sent."""
        caller, number = key
        self._send(
            f"{self._name}/to/{caller}",
            wire.pack({**note, "number": number, "from": self._process}),
        )

    def _refuse(self, key: tuple[str, int], error: Exception) -> None:
        note = {"type": "answer", "number": key[1], "error": wire.write_error(error)}
        self._tell(key[0], note)

    # What comes, and who is there

    def _take(self, data: bytes) -> None:
        try:
            note = wire.unpack(data)
        except MessageError as error:
            logger.warning("A note of another process was dropped: %s", error)
            return
        if self._loop is None:
            return
        now, number = self._loop.time(), note.get("number")
        if (exchange := self._answered(note)) is not None:
            exchange.heard = now
        match note:
            case {"type": "held", "id": str(id)}:
                self._note_held(id)
            case {"type": "item", "item": item} if exchange is not None:
                exchange.put(item)
            case {"type": "answer", "error": error} if exchange is not None:
                exchange.end(error=wire.read_error(error))
            case {"type": "answer"} if exchange is not None:
                exchange.end(note.get("result"))
            case {"type": "attending", "from": str(caller)}:
                if (service := self._services.get((caller, number or 0))) is not None:
                    service.heard = now
            case {"type": "bye", "from": str(caller)}:
                if (service := self._services.get((caller, number or 0))) is not None:
                    service.task.cancel()

    def _answered(self, note: dict[str, Any]) -> Exchange | None:
        """The call that a note answers; `None` if it is none, or of a process that was too late.

        A number alone does not tell: who calls has numbers of its own, which may be the same.
        """
        number, holder = note.get("number"), note.get("from")
        if note.get("type") not in _ANSWERS or type(number) is not int or type(holder) is not str:
            return None
        exchange = self._exchanges.get(number)
        if exchange is None:
            return None
        exchange.accept(holder)  # its word of that may have got lost
        return exchange if exchange.holder == holder else None

    async def _beat(self) -> None:
        """Say that this process is there to those who wait for it, and note who is not."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT)
            now = loop.time()
            for number, exchange in tuple(self._exchanges.items()):
                if not exchange.accepted.is_set() or exchange.ended:
                    continue
                if now - exchange.heard > GONE_AFTER:
                    exchange.end(error=BusError("the process that held the session is gone"))
                else:
                    self._tell(exchange.holder, {"type": "attending", "number": number})
            for service in tuple(self._services.values()):
                if now - service.heard > GONE_AFTER:
                    service.task.cancel()
                else:
                    self._tell(service.caller, {"type": "alive", "number": service.number})

    def _tell(self, process: str, note: dict[str, Any]) -> None:
        self._publish(f"{self._name}/to/{process}", {**note, "from": self._process})

    def _publish(self, topic: str, note: dict[str, Any]) -> None:
        self._bus.publish(topic, wire.pack(note))

    def _send(self, topic: str, packed: bytes) -> None:
        """Publish what may be large; raises `MessageError` if it is too large."""
        if not self._bus.publish(topic, packed) and self._bus.connected:
            raise MessageError(f"{len(packed)} bytes are more than the bus takes at once")

    def _note_state(self, connected: bool) -> None:
        if connected:
            logger.info("The other processes of the stream can be reached")
        else:
            logger.warning("The other processes of the stream cannot be reached")
