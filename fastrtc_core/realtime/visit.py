"""A client of the OpenAI Realtime API that has come."""

from __future__ import annotations

from ..errors import OfferError
from ..handler import StreamHandlerBase
from ..websocket.dialect import Dialect
from ..websocket.socket import Socket
from ..websocket.visit import Asked, DialectVisit
from .dialect import RealtimeDialect, refusal


class RealtimeVisit(DialectVisit):
    """A client of the OpenAI Realtime API, which asks for nothing but a session."""

    transport = "realtime"

    async def begin(self, socket: Socket) -> Asked:
        """Take what stands in the address."""
        self._params = dict(socket.query)
        return Asked(None, self._params)

    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """The events of the API."""
        return RealtimeDialect(id, self._params, handler)

    def refusal(self, error: OfferError) -> str:
        """An `error` event."""
        return refusal(error)
