"""The routes of the telephone: what to do with a call that comes in, and the call itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from fastapi import Request, Response, WebSocket
from starlette.requests import ClientDisconnect

from ..door import Door, caller_of
from ..errors import OriginError
from .options import TelephoneOptions
from .routes import Serve, StarletteSocket
from .socket import Close

MAX_BODY = 1 << 16
"""Bytes of the largest request that tells of a call."""

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_NO_HOST = re.compile(r"[^0-9A-Za-z._:\[\]-]")
"""What stands in no host and port; a header may hold it all the same."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot express, not even escaped (XML 1.0 section 2.2)."""


def add_routes(door: Door, serve: Serve, options: TelephoneOptions) -> None:
    """Add the routes of the telephone.

    Args:
        door: Where routes are added.
        serve: Serves the socket of one call.
        options: How calls are taken.
    """

    @door.guarded.post("/telephone/incoming")
    async def incoming(request: Request) -> Response:
        """Tell the service to connect a call to the socket below (TwiML)."""
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
        fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        base = _base(options, request.headers, request.url.scheme)
        if not _is_signed(options, f"{base}{_target(request)}", fields, request.headers):
            return Response("the signature is missing or wrong", 403)
        path = request.url.path.removesuffix("/incoming")
        url = f"{base.replace('http', 'ws', 1)}{path}/handler"
        return Response(twiml(url, options), media_type="application/xml")

    @door.guarded.websocket("/telephone/handler")
    async def handler(websocket: WebSocket, user: Any = door.user) -> None:
        """A call."""
        if not _is_a_service(door, websocket):
            await websocket.close(Close.POLICY, "pages may not call")
            return
        scheme = {"ws": "http", "wss": "https"}[websocket.url.scheme]
        base = _base(options, websocket.headers, scheme).replace("http", "ws", 1)
        if not _is_signed(options, f"{base}{_target(websocket)}", [], websocket.headers):
            await websocket.close(Close.POLICY, "the signature is missing or wrong")
            return
        await websocket.accept()
        await serve(StarletteSocket(websocket), caller_of(websocket, user))


def twiml(url: str, options: TelephoneOptions) -> str:
    """What a service is told to do with a call: greet, and connect it to a socket."""
    greeting = ""
    if options.greeting:
        language = quoteattr(options.language)
        greeting = f"<Say language={language}>{escape(options.greeting)}</Say>"
    written = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Response>{greeting}<Connect><Stream url={quoteattr(url)}/></Connect></Response>"
    )
    return _NO_XML.sub("", written)


def signature(token: str, url: str, fields: Sequence[tuple[str, str]]) -> str:
    """The signature of a request, as Twilio makes it: HMAC-SHA1 of the URL and its fields."""
    text = url + "".join(key + value for key, value in sorted(fields))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


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
    expected = signature(options.auth_token, url, fields)
    return hmac.compare_digest(given.encode(), expected.encode())


def _base(options: TelephoneOptions, headers: Mapping[str, str], scheme: str) -> str:
    """Scheme, host and port as the service sees them, behind a proxy too."""
    if options.public_url is not None:
        return options.public_url.rstrip("/")
    forwarded = headers.get("x-forwarded-proto", scheme).split(",")[0].strip().lower()
    host = headers.get("x-forwarded-host", headers.get("host", "localhost")).split(",")[0]
    return f"{_SCHEMES.get(forwarded, scheme)}://{_NO_HOST.sub('', host)}"


def _target(request: Request | WebSocket) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")
