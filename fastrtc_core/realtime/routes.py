"""The route of the OpenAI Realtime API."""

from __future__ import annotations

from typing import Any

from fastapi import WebSocket

from ..door import Door, caller_of
from ..websocket.routes import Serve, StarletteSocket
from .visit import RealtimeVisit

SUBPROTOCOL = "realtime"
"""The subprotocol of the Realtime API, which browsers ask for."""


def add_route(door: Door, serve: Serve) -> None:
    """Add the route of the OpenAI Realtime API.

    Args:
        door: Where routes are added.
        serve: Serves one socket.
    """

    @door.guarded.websocket("/realtime")
    async def realtime(websocket: WebSocket, user: Any = door.user) -> None:
        """A session in the words of the OpenAI Realtime API."""
        offered = websocket.scope.get("subprotocols", [])
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered else None
        if await door.admits(websocket, subprotocol):
            await websocket.accept(subprotocol)
            await serve(StarletteSocket(websocket), caller_of(websocket, user), RealtimeVisit())
