"""From a WebSocket to a running session, and back to nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ..context import Context, current_context
from ..errors import ConcurrencyLimitError, OfferError, UnavailableError
from ..handler import StreamHandlerBase
from ..registry import Registry
from ..session import Medium, Session, copy_handler
from .connection import Connection
from .dialect import Dialect, JsonDialect, parse_start
from .options import SocketOptions
from .socket import Close, DisconnectedError, Socket
from .telephony import CallDialect, parse_call

logger = logging.getLogger(__name__)

START_TIMEOUT = 10.0
"""How long in s a client may take to say `start`."""

AUDIO: frozenset[Medium] = frozenset({"audio"})


class _Asked(NamedTuple):
    """What a client asks for, in whatever protocol."""

    transport: str
    id: str | None
    params: dict[str, Any]
    args: list[Any] | None
    dialect: Callable[[StreamHandlerBase], Dialect]


_Begin = Callable[[Socket], Awaitable[_Asked]]


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

    async def serve(self, socket: Socket, headers: Mapping[str, str]) -> None:
        """Serve one client, from its `start` to its end. What fails is told, and closes it."""
        await self._serve(socket, headers, self._begin_session)

    async def serve_call(self, socket: Socket, headers: Mapping[str, str]) -> None:
        """The same for the socket of a telephone call."""
        await self._serve(socket, headers, self._begin_call)

    async def _serve(self, socket: Socket, headers: Mapping[str, str], begin: _Begin) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT):
                asked = await begin(socket)
            await self._run(socket, asked, headers)
        except DisconnectedError:
            return
        except TimeoutError:
            await socket.close(Close.POLICY, "no start")
        except OfferError as error:
            await _refuse(socket, error)
        except Exception:
            # Raised by what the application wrote (`copy`), or a fault of ours.
            logger.exception("a session failed")
            await _refuse(socket, UnavailableError("the server failed; see its log"))

    async def _begin_session(self, socket: Socket) -> _Asked:
        start = parse_start(await socket.receive())
        return _Asked(
            "websocket",
            start.websocket_id,
            start.params,
            start.args,
            lambda handler: JsonDialect(start, handler),
        )

    async def _begin_call(self, socket: Socket) -> _Asked:
        while (call := parse_call(await socket.receive())) is None:
            pass
        known = call
        return _Asked("telephone", None, call.params(), None, lambda _: CallDialect(known))

    async def _run(self, socket: Socket, asked: _Asked, headers: Mapping[str, str]) -> None:
        mode = self._options.mode
        async with self._registry.slot(asked.id) as slot:
            context = Context(slot.id, asked.transport, asked.params, headers)
            current_context.set(context)
            handler = await copy_handler(self._prototype, slot.id)
            handler.phone_mode = asked.transport == "telephone"
            if asked.args is not None:
                handler.set_args(asked.args)
            session = Session(
                handler,
                context,
                receives=AUDIO if mode != "receive" else frozenset(),
                sends=AUDIO if mode != "send" else frozenset(),
                time_limit=self._options.time_limit,
                hooks=self._options.hooks,
            )
            slot.attach(session)
            dialect = asked.dialect(handler)
            connection = Connection(socket, dialect, session)
            if (started := dialect.started(slot.id)) is not None:
                connection.outbox.put(started)
            await connection.run()


async def _refuse(socket: Socket, error: OfferError) -> None:
    """Say why, in the shape that FastRTC's clients know, and close."""
    later = isinstance(error, (ConcurrencyLimitError, UnavailableError))
    try:
        await socket.send(json.dumps(error.body()))
    except DisconnectedError:
        return
    await socket.close(Close.TRY_AGAIN if later else Close.POLICY, error.code)
