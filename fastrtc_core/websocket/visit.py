"""A client that has come, in any protocol: what it asks for, and how it speaks from then on."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from ..errors import OfferError
from ..handler import StreamHandlerBase
from .dialect import Dialect, JsonDialect, parse_start
from .socket import Socket


class Asked(NamedTuple):
    """What a client asks for; the id is the server's to choose if there is none."""

    id: str | None
    params: dict[str, Any]
    args: list[Any] | None = None


class DialectVisit(ABC):
    """One client that has come, in the protocol of its route."""

    transport: str

    @abstractmethod
    async def begin(self, socket: Socket) -> Asked:
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


class SocketVisit(DialectVisit):
    """A client of FastRTC's protocol."""

    transport = "websocket"

    async def begin(self, socket: Socket) -> Asked:
        """Read its `start`."""
        self._start = start = parse_start(await socket.receive())
        return Asked(start.websocket_id, start.params, start.args)

    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """As agreed in `start`."""
        return JsonDialect(self._start, handler)
