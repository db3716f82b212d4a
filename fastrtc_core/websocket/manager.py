"""From a WebSocket to a running session, and back to nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from ..context import Caller, Context, current_context
from ..errors import (
    ConcurrencyLimitError,
    MalformedOfferError,
    OfferError,
    UnavailableError,
)
from ..handler import StreamHandlerBase
from ..registry import Registry
from ..session import Medium, Session, copy_handler
from .connection import Connection
from .dialect import Dialect, JsonDialect, parse_start
from .options import SocketOptions
from .realtime import RealtimeDialect, refusal
from .socket import Close, DisconnectedError, Socket
from .telephony import CallDialect, parse_call

logger = logging.getLogger(__name__)

START_TIMEOUT = 10.0
"""How long in s a client may take to say `start`."""

AUDIO: frozenset[Medium] = frozenset({"audio"})


class _Asked(NamedTuple):
    """What a client asks for; the id is the server's to choose if there is none."""

    id: str | None
    params: dict[str, Any]
    args: list[Any] | None = None


class _Visit(ABC):
    """One client that has come, in the protocol of its route."""

    transport: str

    @abstractmethod
    async def begin(self, socket: Socket) -> _Asked:
        """Wait until it has said what it wants.

        Raises:
            OfferError: If that cannot be had.
        """

    @abstractmethod
    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """How it speaks from then on."""

    def refusal(self, error: OfferError) -> str:
        """What tells it why it gets no session: the shape that FastRTC's clients know."""
        return json.dumps(error.body())


class SocketVisit(_Visit):
    """A client of FastRTC's protocol."""

    transport = "websocket"

    async def begin(self, socket: Socket) -> _Asked:
        """Read its `start`."""
        self._start = start = parse_start(await socket.receive())
        return _Asked(start.websocket_id, start.params, start.args)

    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """As agreed in `start`."""
        return JsonDialect(self._start, handler)


class CallVisit(_Visit):
    """A telephone service with a call."""

    transport = "telephone"

    async def begin(self, socket: Socket) -> _Asked:
        """Read what the service tells of the call."""
        call = parse_call(await socket.receive()) or parse_call(await socket.receive())
        if call is None:
            raise MalformedOfferError("'connected' is followed by 'start'")
        self._call = call
        return _Asked(None, call.params())

    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """As this service speaks."""
        return CallDialect(self._call)


class RealtimeVisit(_Visit):
    """A client of the OpenAI Realtime API, which asks for nothing but a session."""

    transport = "realtime"

    async def begin(self, socket: Socket) -> _Asked:
        """Take what stands in the address."""
        self._params = dict(socket.query)
        return _Asked(None, self._params)

    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """The events of the API."""
        return RealtimeDialect(id, self._params, handler)

    def refusal(self, error: OfferError) -> str:
        """An `error` event."""
        return refusal(error)


class SocketManager:
    """Runs a session for each socket.

    Args:
        prototype: The handler; each session gets a copy.
        registry: Where sessions take their slots.
        options: What else the stream asks for.
    """

    def __init__(
        self, prototype: StreamHandlerBase, registry: Registry, options: SocketOptions
    ) -> None:
        self._prototype = prototype
        self._registry = registry
        self._options = options

    async def serve(self, socket: Socket, caller: Caller | None = None) -> None:
        """Serve one client, from its `start` to its end. What fails is told, and closes it."""
        await self._serve(socket, SocketVisit(), caller)

    async def serve_call(self, socket: Socket, caller: Caller | None = None) -> None:
        """The same for the socket of a telephone call."""
        await self._serve(socket, CallVisit(), caller)

    async def serve_realtime(self, socket: Socket, caller: Caller | None = None) -> None:
        """The same for a client of the OpenAI Realtime API."""
        await self._serve(socket, RealtimeVisit(), caller)

    async def _serve(self, socket: Socket, visit: _Visit, caller: Caller | None) -> None:
        caller = caller or Caller(socket.headers)
        try:
            with self._registry.entering.count(caller.address):
                async with asyncio.timeout(START_TIMEOUT):
                    asked = await visit.begin(socket)
            await self._run(socket, visit, asked, caller)
        except DisconnectedError:
            return
        except TimeoutError:
            await socket.close(Close.POLICY, "no start")
        except OfferError as error:
            await _refuse(socket, visit, error)
        except Exception:
            # Raised by what the application wrote (`copy`), or a fault of ours.
            logger.exception("a session failed")
            failed = UnavailableError("the server failed; see its log")
            await _refuse(socket, visit, failed)

    async def _run(self, socket: Socket, visit: _Visit, asked: _Asked, caller: Caller) -> None:
        mode = self._options.mode
        async with self._registry.slot(asked.id) as slot:
            context = Context(
                slot.id, visit.transport, asked.params, caller.headers, caller.user, caller.state
            )
            current_context.set(context)
            handler = await copy_handler(self._prototype, slot.id)
            handler.phone_mode = visit.transport == "telephone"
            if asked.args is not None:
                handler.set_args(asked.args)
            dialect = visit.dialect(slot.id, handler)
            session = Session(
                handler,
                context,
                receives=AUDIO if mode != "receive" else frozenset(),
                sends=AUDIO if mode != "send" else frozenset(),
                time_limit=self._options.time_limit,
                hooks=self._options.hooks,
                output_sample_rate=dialect.output_sample_rate,
                output_channels=dialect.num_channels,
            )
            slot.attach(session)
            connection = Connection(socket, dialect, session)
            if (started := dialect.started(slot.id)) is not None:
                connection.outbox.put(started)
            await connection.run()


async def _refuse(socket: Socket, visit: _Visit, error: OfferError) -> None:
    """Say why, and close."""
    later = isinstance(error, (ConcurrencyLimitError, UnavailableError))
    try:
        await socket.send(visit.refusal(error))
    except DisconnectedError:
        return
    await socket.close(Close.TRY_AGAIN if later else Close.POLICY, error.code)
