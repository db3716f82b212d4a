"""The JSON messages of the data channel and the WebSocket: `{"type": …, "data": …}`.

Every message is parsed by `parse_client_message` or `parse_server_message` and built by
`build_message`, so that no other module knows their shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import strict_json
from .errors import MessageError

MAX_MESSAGE_BYTES = 65_536
"""Largest message taken from a client, in bytes of UTF-8."""

CLIENT_TYPES = frozenset({"message", "send_input", "offer", "close"})
"""What a client may send: a message for `on_message`, its additional inputs, an offer for tracks
that come later, or that it ends the session."""

SERVER_TYPES = frozenset(
    {
        "send_input",
        "fetch_output",
        "end_stream",
        "stopword",
        "error",
        "warning",
        "log",
        "update_connection",
        "message",
        "interrupted",
        "closing",
        "draining",
        "transcript",
        "status",
        "turn_record",
        "negotiate",
        "answer",
        "unpublished",
    }
)
"""What a server may send."""


BytesLike = bytes | bytearray | memoryview
"""What is sent as a binary message."""


_KEYS = frozenset({"type", "data", "message"})
"""What a message consists of: `message` is the text of an error or warning once more."""


@dataclass(frozen=True)
class Message:
    """One parsed message.

    Attributes:
        type: One of the types above.
        data: Whatever JSON value came with it; `None` when there was none.
    """

    type: str
    data: Any = None


def build_message(type: str, data: Any = None, **more: Any) -> str:
    """Build the JSON text of a message.

    `error` and `warning` carry their text a second time as `message`, where FastRTC's clients
    look for it. `more` is for what a type says beside its data.

    Raises:
        MessageError: If the data cannot be written as JSON.
    """
    message: dict[str, Any] = {"type": type, "data": data, **more}
    if type in ("error", "warning"):
        message["message"] = data
    try:
        return json.dumps(message, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(f"the data of a {type!r} message is not JSON: {error}") from None


def as_message_text(message: Any) -> str | bytes:
    """What to send for what a handler passed to `send_message`: a text, or bytes as they are.

    A whole message is sent as it is: a `str` that is a JSON object with a known `type`, or a `dict`
    of such a `type` and its `data`. Anything else that JSON can express becomes the data of a
    `message`.

    Raises:
        MessageError: If the value cannot be written as JSON.
    """
    if isinstance(message, BytesLike):
        return bytes(message)
    if isinstance(message, str):
        try:
            parsed = strict_json.load(message)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict) and _type_of(parsed) in SERVER_TYPES:
            return message
    elif (
        isinstance(message, dict) and message.keys() <= _KEYS and _type_of(message) in SERVER_TYPES
    ):
        return build_message(message["type"], message.get("data"))
    return build_message("message", message)


def parse_client_message(text: str | bytes) -> Message:
    """Read a message from a client.

    Raises:
        MessageError: If it is too large, a text that is no JSON object, or of a type that clients
            do not send. Bytes that are no JSON object are the data of a `message`.
    """
    if isinstance(text, bytes):
        check_size(text)
        json_text = json_object_in(text)
        if json_text is None:
            return Message("message", text)
        text = json_text
    message = _parse(text, MAX_MESSAGE_BYTES, CLIENT_TYPES)
    if message.type == "send_input" and not isinstance(message.data, list):
        raise MessageError("the data of a 'send_input' message must be a list")
    return message


def parse_server_message(text: str | bytes) -> Message:
    """Read a message from a server, for clients.

    All that servers say of themselves is text: bytes are what a handler sent, JSON or not, and
    the data of a `message`.

    Raises:
        MessageError: If a text is not a JSON object, or of a type that servers do not send.
    """
    if isinstance(text, bytes):
        return Message("message", text)
    return _parse(text, None, SERVER_TYPES)


def check_size(message: str | bytes, limit: int = MAX_MESSAGE_BYTES) -> None:
    """Check that a server takes a message of this size.

    Raises:
        MessageError: If it is larger.
    """
    # A character is one to four bytes of UTF-8: count the bytes only where the length is near.
    if len(message) * 4 <= limit:
        return
    if isinstance(message, str):
        message = message.encode(errors="replace")
    if len(message) > limit:
        raise MessageError(f"the message is larger than {limit} bytes")


def json_object_in(data: bytes) -> str | None:
    """The text of a JSON object that some client sends as bytes; `None` for other bytes."""
    inner = data.strip()
    if not (inner.startswith(b"{") and inner.endswith(b"}")):
        return None
    try:
        text = data.decode()
        return text if isinstance(strict_json.load(text), dict) else None
    except ValueError:
        return None


def _parse(text: str, limit: int | None, types: frozenset[str]) -> Message:
    if limit is not None:
        check_size(text, limit)
    try:
        parsed = strict_json.load(text)
    except ValueError:
        raise MessageError("the message is not JSON") from None
    type = _type_of(parsed) if isinstance(parsed, dict) else None
    if type is None:
        raise MessageError("a message must be a JSON object with a 'type'")
    if type not in types:
        known = ", ".join(sorted(types))
        raise MessageError(f"unknown message type {type[:40]!r}; known are {known}")
    return Message(type, parsed.get("data"))


def _type_of(message: dict[Any, Any]) -> str | None:
    value = message.get("type")
    return value if isinstance(value, str) else None
