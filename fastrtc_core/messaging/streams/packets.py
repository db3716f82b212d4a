"""The packets of a stream, each a JSON text that fits a message of every browser.

A sender says `header`, then `chunk` by `chunk`, counted from 0, then `trailer`; a receiver says
`ack` with the number of chunks that were read, or `refusal`. Each names its `stream`. Content is a
text, or base64 in a stream of bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ... import strict_json
from ...errors import ConfigurationError, MessageError
from ..naming import is_unicode
from .info import ByteStreamInfo, StreamInfo, TextStreamInfo

MAX_PACKET = 15_000
"""Bytes of a packet inside a message to a browser, which is JSON once more, in ASCII."""

MAX_BYTES = 10_000
"""Bytes of content in a chunk: a third more in base64."""

MAX_REASON = 200
"""Characters that say why a stream was ended or refused."""

_MAX_NUMBER = 2**53 - 1
_ENVELOPE = 200  # bytes of a chunk beside its content


class Header(NamedTuple):
    """A stream begins."""

    stream: str
    info: StreamInfo


class Chunk(NamedTuple):
    """A piece of it; in a stream of bytes, the content is base64."""

    stream: str
    number: int
    content: str


class Trailer(NamedTuple):
    """It ends; before its time, if there is a reason."""

    stream: str
    reason: str


class Ack(NamedTuple):
    """So many chunks were read."""

    stream: str
    chunks: int


class Refusal(NamedTuple):
    """It is not, or no longer, taken."""

    stream: str
    reason: str


Packet = Header | Chunk | Trailer | Ack | Refusal


def encode(packet: Packet) -> str:
    """The text of a packet.

    Raises:
        ConfigurationError: If no receiver could read it: a header that is too large, or whose
            topic, name or attributes are no Unicode texts.
    """
    fields: dict[str, Any]
    if isinstance(packet, Header):
        kind, fields = "header", _describe(packet.info)
    elif isinstance(packet, Chunk):
        kind, fields = "chunk", {"index": packet.number, "content": packet.content}
    elif isinstance(packet, Ack):
        kind, fields = "ack", {"chunks": packet.chunks}
    else:
        kind = "trailer" if isinstance(packet, Trailer) else "refusal"
        reason = packet.reason[:MAX_REASON].encode(errors="replace").decode()
        fields = {"reason": reason}
    message = {"stream": packet.stream, "packet": kind, **fields}
    try:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"a stream cannot be announced so: {error}") from None
    if isinstance(packet, Header):
        if _size_inside(text) > MAX_PACKET:
            raise ConfigurationError(
                "topic, name and attributes of a stream have up to 15000 bytes"
            )
        try:
            decode(text)
        except MessageError as error:
            raise ConfigurationError(f"a stream cannot be announced so: {error}") from None
    return text


def decode(text: str) -> Packet:
    """Read a packet.

    Raises:
        MessageError: If it cannot be read.
    """
    if len(text) > MAX_PACKET or not is_unicode(text):
        raise MessageError(f"a packet is Unicode text of up to {MAX_PACKET} characters")
    try:
        fields = strict_json.load(text)
    except ValueError:
        raise MessageError("the packet is not JSON") from None
    if not isinstance(fields, dict):
        raise MessageError("a packet is a JSON object")
    stream = _text(fields, "stream", 64)
    match fields.get("packet"):
        case "header":
            return Header(stream, _read_info(stream, fields))
        case "chunk":
            return Chunk(stream, _number(fields, "index"), _text(fields, "content", MAX_PACKET))
        case "trailer":
            return Trailer(stream, _text(fields, "reason", MAX_REASON))
        case "ack":
            return Ack(stream, _number(fields, "chunks"))
        case "refusal":
            return Refusal(stream, _text(fields, "reason", MAX_REASON))
        case _:
            raise MessageError("unknown kind of packet")


def refusal_of(text: str, reason: str) -> str | None:
    """What the sender of a packet is told that cannot be carried; `None` for an answer."""
    try:
        packet = decode(text)
    except MessageError:
        return None
    if isinstance(packet, Ack | Refusal):
        return None
    return encode(Refusal(packet.stream, reason))


def size_of(content: str | bytes) -> int:
    """Bytes of what is written, a text in UTF-8.

    Raises:
        ConfigurationError: If a text is no Unicode text.
    """
    if isinstance(content, str) and not is_unicode(content):
        raise ConfigurationError("a text must have no halves of surrogate pairs")
    return len(content.encode() if isinstance(content, str) else content)


def cut(content: str | bytes) -> Iterator[tuple[str, int]]:
    """Cut what is written into chunks, texts between their characters.

    Nothing is one empty chunk, which says that the sender is still there.

    Yields:
        The content of each as it goes into the packet, and its size in bytes.
    """
    if isinstance(content, str):
        yield from _cut_text(content)
        return
    for start in range(0, len(content) or 1, MAX_BYTES):
        part = content[start : start + MAX_BYTES]
        yield base64.b64encode(part).decode(), len(part)


def decode_bytes(content: str) -> bytes:
    """The bytes of a chunk.

    Raises:
        MessageError: If it is not base64.
    """
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise MessageError("the content is not base64") from None


def _cut_text(text: str) -> Iterator[tuple[str, int]]:
    room = MAX_PACKET - _ENVELOPE
    start = 0
    while True:
        part = text[start : start + room]
        while (size := _size_inside(json.dumps(part, ensure_ascii=False))) > room:
            part = part[: max(1, len(part) * room // size - 1)]
        yield part, len(part.encode())
        start += len(part)
        if start >= len(text):
            return


def _size_inside(text: str) -> int:
    """Bytes that a text takes inside a message, see `build_message`."""
    return len(json.dumps(text))


def _describe(info: StreamInfo) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": "bytes" if isinstance(info, ByteStreamInfo) else "text",
        "topic": info.topic,
        "attributes": dict(info.attributes),
        "total_size": info.total_size,
        "mime_type": info.mime_type,
        "timestamp": info.timestamp,
    }
    if isinstance(info, ByteStreamInfo):
        fields["name"] = info.name
    return fields


def _read_info(stream: str, fields: dict[str, Any]) -> StreamInfo:
    attributes = fields.get("attributes", {})
    if not isinstance(attributes, dict) or not all(isinstance(v, str) for v in attributes.values()):
        raise MessageError("attributes are an object of texts")
    known: dict[str, Any] = {
        "stream_id": stream,
        "topic": _text(fields, "topic", MAX_PACKET),
        "attributes": attributes,
        "mime_type": _text(fields, "mime_type", MAX_PACKET),
        "timestamp": _number(fields, "timestamp"),
    }
    if fields.get("total_size") is not None:
        known["total_size"] = _number(fields, "total_size")
    if fields.get("kind") == "text":
        return TextStreamInfo(**known)
    if fields.get("kind") == "bytes":
        return ByteStreamInfo(**known, name=_text(fields, "name", MAX_PACKET))
    raise MessageError("a stream is of the kind text or bytes")


def _text(fields: dict[str, Any], key: str, most: int) -> str:
    value = fields.get(key)
    if not is_unicode(value) or len(value) > most:
        raise MessageError(f"{key!r} is a Unicode text of up to {most} characters")
    return str(value)


def _number(fields: dict[str, Any], key: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
        raise MessageError(f"{key!r} is a whole number from 0 to 2**53 - 1")
    return value
