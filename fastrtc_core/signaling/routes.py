"""The HTTP routes of the WebRTC transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from .. import browser, strict_json
from ..context import Caller
from ..door import Door, caller_of
from ..errors import MalformedOfferError, OfferError
from .reading import read_body

HandleOffer = Callable[[Any, Caller], Awaitable[dict[str, Any]]]
ClientConfiguration = Callable[[], Awaitable[dict[str, Any]]]


def add_routes(
    door: Door, handle_offer: HandleOffer, client_configuration: ClientConfiguration
) -> None:
    """Add the offer route, the client's ICE configuration and the browser client."""
    for path in ("/webrtc/offer", "/webrtc/config"):
        door.allow_preflight(path)

    @door.guarded.post("/webrtc/offer")
    async def offer(request: Request, user: Any = door.user) -> JSONResponse:
        """Take an offer or a trickled candidate."""
        try:
            body = await _read_json(request)
            return JSONResponse(await handle_offer(body, caller_of(request, user)))
        except OfferError as error:
            return JSONResponse(error.body(), status_code=error.http_status)

    @door.guarded.get("/webrtc/config")
    async def config(user: Any = door.user) -> JSONResponse:
        """The `RTCConfiguration` for the client; its TURN credentials are for users alone."""
        return JSONResponse(await client_configuration(), headers={"cache-control": "no-store"})

    browser.add_routes(door.public)


async def _read_json(request: Request) -> Any:
    try:
        return strict_json.load(await read_body(request, "application/json"))
    except ValueError:
        raise MalformedOfferError("the body is not JSON") from None
