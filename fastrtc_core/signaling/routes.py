"""The HTTP routes of the WebRTC transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from .. import browser, strict_json
from ..context import Caller
from ..door import Door, caller_of
from ..errors import MalformedOfferError, OfferError
from .bodies import MAX_BODY_BYTES

HandleOffer = Callable[[Any, Caller], Awaitable[dict[str, Any]]]
ClientConfiguration = Callable[[], Awaitable[dict[str, Any]]]


class _BodyTooLargeError(OfferError):
    code = "body_too_large"
    http_status = 413


class _NotJsonError(OfferError):
    code = "unsupported_media_type"
    http_status = 415


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
    async def config() -> JSONResponse:
        """The `RTCConfiguration` for the client."""
        return JSONResponse(await client_configuration(), headers={"cache-control": "no-store"})

    browser.add_routes(door.public)


async def _read_json(request: Request) -> Any:
    """Read the body, but no more of it than an offer can have.

    A browser sends JSON to another origin only after a preflight (the Fetch standard, on
    CORS-safelisted request headers); a body of any other type would come without.
    """
    type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _BodyTooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        # Not before the body is read: uvicorn stumbles over an answer to a body that is damaged.
        if type != "application/json":
            raise _NotJsonError(f"The content type must be application/json, not {type[:60]!r}")
        return strict_json.load(bytes(body))
    except ClientDisconnect:
        raise MalformedOfferError("the body was not sent to its end") from None
    except ValueError:
        raise MalformedOfferError("the body is not JSON") from None
