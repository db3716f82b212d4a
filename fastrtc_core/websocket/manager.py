"""From a WebSocket to a running session, and back to nothing."""

from __future__ import annotations

import asyncio
import logging

from ..context import Caller, Context, current_context
from ..errors import (
    ConcurrencyLimitError,
    OfferError,
    UnavailableError,
)
from ..handler import StreamHandlerBase
from ..registry import Registry
from ..session import Medium, Session, copy_handler
from .connection import Connection
from .options import SocketOptions
from .socket import Close, DisconnectedError, Socket
from .visit import Asked, DialectVisit, SocketVisit

logger = logging.getLogger(__name__)

START_TIMEOUT = 10.0
"""How long in s a client may take to say `start`."""

AUDIO: frozenset[Medium] = frozenset({"audio"})


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

    async def serve(
        self, socket: Socket, caller: Caller | None = None, visit: DialectVisit | None = None
    ) -> None:
        """Serve one client, from its `start` to its end. What fails is told, and closes it.

        Args:
            socket: The socket.
            caller: Who asks, for the context of the session.
            visit: In which protocol; that of FastRTC by default.
        """
        visit = visit or SocketVisit()
        caller = caller or Caller(socket.headers)
        try:
            with self._registry.refusals():
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

    async def _run(self, socket: Socket, visit: DialectVisit, asked: Asked, caller: Caller) -> None:
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


async def _refuse(socket: Socket, visit: DialectVisit, error: OfferError) -> None:
    """Say why, and close."""
    later = isinstance(error, (ConcurrencyLimitError, UnavailableError))
    try:
        await socket.send(visit.refusal(error))
    except DisconnectedError:
        return
    await socket.close(Close.TRY_AGAIN if later else Close.POLICY, error.code)
