"""The HTTP routes of the WebRTC transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from .. import strict_json
from ..errors import MalformedOfferError, OfferError
from .signaling import MAX_BODY_BYTES

CLIENT = (
    "browser.js",
    "publications.js",
    "parts.js",
    "rpc.js",
    "streams.js",
    "stream_reader.js",
    "stream_writer.js",
    "channel.js",
)
"""Files of the browser client, which are one module."""

HandleOffer = Callable[[Any, Mapping[str, str]], Awaitable[dict[str, Any]]]
ClientConfiguration = Callable[[], Awaitable[dict[str, Any]]]


class _BodyTooLargeError(OfferError):
    code = "body_too_large"
    http_status = 413


def add_routes(
    router: APIRouter, handle_offer: HandleOffer, client_configuration: ClientConfiguration
) -> None:
    """Add the offer route, the client's ICE configuration and the browser client to a router."""

    @router.post("/webrtc/offer")
    async def offer(request: Request) -> JSONResponse:
        """Take an offer or a trickled candidate."""
        try:
            body = await _read_json(request)
            return JSONResponse(await handle_offer(body, dict(request.headers)))
        except OfferError as error:
            return JSONResponse(error.body(), status_code=error.http_status)

    @router.get("/webrtc/config")
    async def config() -> JSONResponse:
        """The `RTCConfiguration` for the client."""
        return JSONResponse(await client_configuration(), headers={"cache-control": "no-store"})

    @router.get("/webrtc/client.js")
    async def client() -> Response:
        """The browser client, an ES module."""
        return Response(browser_client(), media_type="text/javascript")


def browser_client() -> str:
    """The source of the browser client: one module."""
    folder = resources.files("fastrtc_core").joinpath("client")
    return "\n".join(folder.joinpath(part).read_text("utf-8") for part in CLIENT)


async def _read_json(request: Request) -> Any:
    """Read the body, but no more of it than an offer can have."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _BodyTooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        return strict_json.load(bytes(body))
    except ClientDisconnect:
        raise MalformedOfferError("the body was not sent to its end") from None
    except ValueError:
        raise MalformedOfferError("the body is not JSON") from None
