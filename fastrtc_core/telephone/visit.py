"""A telephone service that has come with a call."""

from __future__ import annotations

from ..errors import MalformedOfferError
from ..handler import StreamHandlerBase
from ..websocket.dialect import Dialect
from ..websocket.socket import Socket
from ..websocket.visit import Asked, DialectVisit
from .dialect import CallDialect, parse_call


class CallVisit(DialectVisit):
    """A telephone service with a call."""

    transport = "telephone"

    async def begin(self, socket: Socket) -> Asked:
        """Read what the service tells of the call."""
        call = parse_call(await socket.receive()) or parse_call(await socket.receive())
        if call is None:
            raise MalformedOfferError("'connected' is followed by 'start'")
        self._call = call
        return Asked(None, call.params())

    def dialect(self, id: str, handler: StreamHandlerBase) -> Dialect:
        """As this service speaks."""
        return CallDialect(self._call)
