"""The WebSocket route, and its sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from ..context import Caller
from ..door import Door, caller_of
from .compression import warn_of_compression
from .socket import Close, DisconnectedError, Socket
from .vanishing import watch
from .visit import DialectVisit, SocketVisit

Serve = Callable[[Socket, Caller, DialectVisit], Awaitable[None]]


def add_offer_route(door: Door, serve: Serve) -> None:
    """Add the route of FastRTC's protocol.

    Args:
        door: Where routes are added.
        serve: Serves one socket.
    """

    @door.guarded.websocket("/websocket/offer")
    async def offer(websocket: WebSocket, user: Any = door.user) -> None:
        """A session over a WebSocket."""
        if await door.admits(websocket):
            await websocket.accept()
            await serve(StarletteSocket(websocket), caller_of(websocket, user), SocketVisit())


class StarletteSocket:
    """A `Socket` out of Starlette's."""

    def __init__(self, websocket: WebSocket) -> None:
        self.headers: Mapping[str, str] = dict(websocket.headers)
        self.query: Mapping[str, str] = dict(websocket.query_params)
        self._websocket = websocket
        self._closed = False
        # Starlette has no public name for it.
        watch(websocket.scope, websocket._receive)
        warn_of_compression(websocket.headers)

    async def receive(self) -> str | bytes:
        """Wait for a message."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise DisconnectedError(vanished=_has_vanished(message))
        text: str | None = message.get("text")
        if text is not None:
            return text
        data: bytes = message["bytes"]
        return data

    async def send(self, data: str | bytes) -> None:
        """Send a message."""
        if self._closed:
            raise DisconnectedError
        try:
            if isinstance(data, str):
                await self._websocket.send_text(data)
            else:
                await self._websocket.send_bytes(data)
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._closed = True
            raise DisconnectedError from None

    async def close(self, code: int, reason: str) -> None:
        """Close the socket."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # the other side was faster


def _has_vanished(message: Mapping[str, object]) -> bool:
    """Whether no close frame came: servers say 1006 then, and uvicorn 1005 without a reason."""
    code = message.get("code")
    return code == Close.ABNORMAL or (code == Close.NO_STATUS and "reason" not in message)
