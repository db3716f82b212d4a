"""The WebSocket routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from .socket import Close, DisconnectedError, Socket
from .vanishing import watch

Serve = Callable[[Socket], Awaitable[None]]

REALTIME = "realtime"
"""The subprotocol of the Realtime API, which browsers ask for."""


def add_offer_route(router: APIRouter, serve: Serve, origins: Sequence[str] | None) -> None:
    """Add the route of FastRTC's protocol to a router.

    Args:
        router: The router.
        serve: Serves one socket.
        origins: Of which pages sockets are taken; see `Stream.mount`.
    """

    @router.websocket("/websocket/offer")
    async def offer(websocket: WebSocket) -> None:
        """A session over a WebSocket."""
        if await _is_admitted(websocket, origins):
            await websocket.accept()
            await serve(StarletteSocket(websocket))


def add_realtime_route(router: APIRouter, serve: Serve, origins: Sequence[str] | None) -> None:
    """Add the route of the OpenAI Realtime API; arguments as above."""

    @router.websocket("/realtime")
    async def realtime(websocket: WebSocket) -> None:
        """A session in the words of the OpenAI Realtime API."""
        if await _is_admitted(websocket, origins):
            offered = websocket.scope.get("subprotocols", [])
            await websocket.accept(REALTIME if REALTIME in offered else None)
            await serve(StarletteSocket(websocket))


async def _is_admitted(websocket: WebSocket, origins: Sequence[str] | None) -> bool:
    if is_allowed(websocket.headers, origins):
        return True
    await websocket.close(Close.POLICY, "this page may not connect")
    return False


def is_allowed(headers: Mapping[str, str], origins: Sequence[str] | None) -> bool:
    """Whether a socket may be opened by the page that its headers name.

    Browsers send an `Origin` and let any page open sockets to any server (RFC 6455 section 10.2);
    other clients send none, and are no danger to somebody who is logged in.
    """
    origin = headers.get("origin")
    if origin is None or (origins is not None and ("*" in origins or origin in origins)):
        return True
    try:
        return origins is None and urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # it is no URL
        return False


class StarletteSocket:
    """A `Socket` out of Starlette's."""

    def __init__(self, websocket: WebSocket) -> None:
        self.headers: Mapping[str, str] = dict(websocket.headers)
        self.query: Mapping[str, str] = dict(websocket.query_params)
        self._websocket = websocket
        self._closed = False
        watch(websocket.scope)

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
