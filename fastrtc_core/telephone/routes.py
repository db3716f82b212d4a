"""The routes of the telephone: what to do with a call that comes in, and the call itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import HTTPException, Request, Response, WebSocket
from starlette.requests import ClientDisconnect

from ..door import Door, caller_of
from ..errors import OriginError
from ..websocket.routes import Serve, StarletteSocket
from ..websocket.socket import Close
from .answers import answer
from .incoming import IncomingCall
from .options import TelephoneOptions
from .parameters import parameters_of
from .signatures import is_signed
from .visit import CallVisit

logger = logging.getLogger(__name__)

MAX_BODY = 1 << 16
"""Bytes of the largest request that tells of a call."""

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_NO_HOST = re.compile(r"[^0-9A-Za-z._:\[\]-]")
"""What stands in no host and port; a header may hold it all the same."""


_NUMBER = re.compile(r"[0-9]{1,5}")
_PORT = re.compile(r":[0-9]+$")

_DEFAULT_PORTS = ("80", "443")
"""Need not be named; some proxies tell of 80 where TLS ends before them."""


def add_routes(door: Door, serve: Serve, options: TelephoneOptions) -> None:
    """Add the routes of the telephone.

    Args:
        door: Where routes are added.
        serve: Serves the socket of one call.
        options: How calls are taken.
    """

    @door.guarded.post("/telephone/incoming")
    async def incoming(request: Request) -> Response:
        """Tell the service to connect a call to the socket below."""
        if not _is_a_service(door, request):
            return Response("pages may not call", 403)
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    return Response(status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        call = IncomingCall(request, bytes(body))
        base = _base(options, request.headers, request.scope["scheme"])
        target = f"{base}{_target(request)}"
        if not _is_signed(options, target, call.form_items, request.headers):
            return Response("the signature is missing or wrong", 403)
        path = request.scope["path"].removesuffix("/incoming")
        url = f"{base.replace('http', 'ws', 1)}{path}/handler"
        try:
            parameters = await parameters_of(call, options)
        except HTTPException:
            raise  # the application takes no such call
        except Exception:
            logger.exception("the parameters of a call failed")
            return Response("the server failed; see its log", 500)
        written = answer(call.service, url, options, parameters)
        return Response(written, media_type="application/xml")

    @door.guarded.websocket("/telephone/handler")
    async def handler(websocket: WebSocket, user: Any = door.user) -> None:
        """A call."""
        if not _is_a_service(door, websocket):
            await websocket.close(Close.POLICY, "pages may not call")
            return
        scheme = {"ws": "http", "wss": "https"}[websocket.scope["scheme"]]
        base = _base(options, websocket.headers, scheme).replace("http", "ws", 1)
        if not _is_signed(options, f"{base}{_target(websocket)}", [], websocket.headers):
            await websocket.close(Close.POLICY, "the signature is missing or wrong")
            return
        await websocket.accept()
        await serve(StarletteSocket(websocket), caller_of(websocket, user), CallVisit())


def _is_a_service(door: Door, request: Request | WebSocket) -> bool:
    """Whether no page asks: browsers name its origin, and telephone services have none."""
    try:
        door.rule.check(request.headers, request.scope.get("server"))
    except OriginError:
        return False
    return "origin" not in request.headers


def _is_signed(
    options: TelephoneOptions,
    url: str,
    fields: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
) -> bool:
    if options.auth_token is None:
        return True
    given = headers.get("x-twilio-signature", "")
    return is_signed(given, options.auth_token, url, fields, _forwarded_port(headers))


def _base(options: TelephoneOptions, headers: Mapping[str, str], scheme: str) -> str:
    """Scheme, host and port as the service sees them, behind a proxy too."""
    if options.public_url is not None:
        return options.public_url.rstrip("/")
    forwarded = headers.get("x-forwarded-proto", scheme).split(",")[0].strip().lower()
    host = headers.get("x-forwarded-host", headers.get("host", "localhost")).split(",")[0]
    host = _NO_HOST.sub("", host)
    port = _forwarded_port(headers)
    if port is not None and port not in _DEFAULT_PORTS and not _PORT.search(host):
        host = f"{host}:{port}"
    return f"{_SCHEMES.get(forwarded, scheme)}://{host}"


def _forwarded_port(headers: Mapping[str, str]) -> str | None:
    """The port at which a proxy says that it was reached."""
    port = headers.get("x-forwarded-port", "").split(",")[0].strip()
    return port if _NUMBER.fullmatch(port) else None


def _target(request: Request | WebSocket) -> str:
    # Not from `request.url`, which raises where the host is none.
    path: str = request.scope["path"]
    query = request.scope["query_string"].decode("latin-1")
    return path + (f"?{query}" if query else "")
