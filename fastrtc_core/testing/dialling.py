"""`phone_call`: a call from its beginning, as a telephone service makes it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from xml.etree import ElementTree

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ..errors import ConnectionFailedError
from ..telephone.signatures import signature
from .phone import Phone, Service, on_the_phone

TIMEOUT = 15.0
"""How long in s the server may take to say what to do with a call; Twilio waits as long."""


class Instructions(NamedTuple):
    """What the server says is to be done with a call.

    Attributes:
        greeting: What the service says first; empty for nothing.
        stream_url: Where it connects the call to.
        parameters: What it hands on to the stream.
    """

    greeting: str
    stream_url: str
    parameters: dict[str, str]


@asynccontextmanager
async def phone_call(
    url: str,
    *,
    service: Service = "twilio",
    caller: str = "+15550100",
    auth_token: str | None = None,
    silence: bool = True,
) -> AsyncIterator[Phone]:
    """Call a stream on a server, and hang up in the end.

    As the services do it: a request tells the server of the call, its answer (TwiML, TeXML or
    Plivo's XML) says where to connect it to, and then the call begins on a WebSocket.

    Args:
        url: Where the stream is mounted, such as `http://127.0.0.1:7860`.
        service: Whose words are used, in the request and on the socket.
        caller: Number of the caller.
        auth_token: With it, the request and the socket are signed as Twilio signs them.
        silence: Whether silence is sent while the caller says nothing, as services do.

    Raises:
        ConnectionFailedError: If the server cannot be reached or does not take the call.
    """
    call_id, fields = _announcement(service, caller)
    address = f"{url.rstrip('/')}/telephone/incoming"
    body = await asyncio.to_thread(_post, address, fields, _signed(address, fields, auth_token))
    instructions = read_answer(service, body)
    headers = _signed(instructions.stream_url, {}, auth_token)
    try:
        socket = await connect(instructions.stream_url, additional_headers=headers)
    except (OSError, InvalidHandshake) as error:
        raise ConnectionFailedError(
            f"the call cannot be connected to {instructions.stream_url}: {error}"
        ) from None
    async with socket:
        phone = Phone(
            service,
            socket,
            call_id=call_id,
            stream_id=f"MZ{secrets.token_hex(16)}",
            parameters=instructions.parameters,
            silence=silence,
        )
        phone.greeting = instructions.greeting
        async with on_the_phone(phone):
            try:
                yield phone
            finally:
                with contextlib.suppress(ConnectionClosed):  # the server was faster
                    await phone.hang_up()


def read_twiml(text: str) -> Instructions:
    """Read the answer of a server (TwiML: `Say`, and `Connect` with a `Stream`).

    Raises:
        ConnectionFailedError: If it connects the call to nothing.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ConnectionFailedError(f"the server did not answer with TwiML: {error}") from None
    stream = root.find("Connect/Stream")
    url = None if stream is None else stream.get("url")
    if stream is None or not url:
        raise ConnectionFailedError(f"the server does not connect the call: {text[:200]}")
    parameters = {one.get("name", ""): one.get("value", "") for one in stream.iter("Parameter")}
    return Instructions((root.findtext("Say") or "").strip(), url, parameters)


def read_answer(service: Service, text: str) -> Instructions:
    """Read the answer of a server, as a service does.

    Raises:
        ConnectionFailedError: If it connects the call to nothing, or so that nothing can be said.
    """
    if service == "plivo":
        return read_plivo_xml(text)
    instructions = read_twiml(text)
    if service == "telnyx" and 'bidirectionalMode="rtp"' not in text:
        raise ConnectionFailedError("Telnyx plays no audio without bidirectionalMode='rtp'")
    return instructions


def read_plivo_xml(text: str) -> Instructions:
    """Read the answer of a server to Plivo (`Speak`, and a `Stream` around an address).

    Raises:
        ConnectionFailedError: If it connects the call to nothing, or so that nothing can be said.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ConnectionFailedError(f"the server did not answer with XML: {error}") from None
    stream = root.find("Stream")
    url = None if stream is None else (stream.text or "").strip()
    if stream is None or not url:
        raise ConnectionFailedError(f"the server does not connect the call: {text[:200]}")
    if (stream.get("bidirectional"), stream.get("keepCallAlive")) != ("true", "true"):
        raise ConnectionFailedError("Plivo plays no audio, or hangs up: see bidirectional")
    pairs = [pair.partition("=") for pair in stream.get("extraHeaders", "").split(",") if pair]
    parameters = {name: value for name, _, value in pairs}
    return Instructions((root.findtext("Speak") or "").strip(), url, parameters)


def _announcement(service: Service, caller: str) -> tuple[str, dict[str, str]]:
    """The id of a call, and the fields of the request that tells of it, as a service has them."""
    numbers = {"From": caller, "To": "+15550199"}
    if service == "plivo":
        call_id = str(uuid.uuid4())
        plain = {key: number.lstrip("+") for key, number in numbers.items()}
        about = {"CallUUID": call_id, "CallStatus": "ringing", "Direction": "inbound"}
        return call_id, {**about, "Event": "StartApp", **plain}
    call_id = f"CA{secrets.token_hex(16)}"
    if service == "telnyx":
        call_id = f"v3:{secrets.token_urlsafe(40)}"
        about = {"AccountSid": str(uuid.uuid4()), "CallSid": call_id, "CallSidLegacy": call_id}
        return call_id, {**about, **numbers}
    about = {"AccountSid": "AC1", "ApiVersion": "2010-04-01", "CallSid": call_id}
    return call_id, {**about, "CallStatus": "ringing", "Direction": "inbound", **numbers}


def _signed(url: str, fields: Mapping[str, str], auth_token: str | None) -> dict[str, str]:
    if auth_token is None:
        return {}
    return {"x-twilio-signature": signature(auth_token, url, list(fields.items()))}


def _post(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            text: str = response.read().decode()
            return text
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(200).decode(errors="replace")
        raise ConnectionFailedError(f"{url} answered with status {error.code}: {said}") from None
    except OSError as error:
        raise ConnectionFailedError(f"{url} cannot be reached: {error}") from None
