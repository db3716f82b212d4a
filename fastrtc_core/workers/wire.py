"""What processes say to each other: JSON objects, and errors in them."""

from __future__ import annotations

import json
from typing import Any

from .. import strict_json
from ..errors import BusError, FastRTCError, HandlerError, MessageError, OfferError

_PASSED_ON = (FastRTCError, TimeoutError)
"""Errors that the other side gets as they are; any other is in the log of where it was raised."""

MAX_ERROR = 4096
"""Characters of the text of an error, and bytes of what it says beside."""


def pack(note: dict[str, Any]) -> bytes:
    """A note, as bytes.

    Raises:
        MessageError: If JSON cannot carry what is in it.
    """
    try:
        return json.dumps(note, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(f"Between processes goes what JSON can carry: {error}") from None


def unpack(data: bytes) -> dict[str, Any]:
    """The note.

    Raises:
        MessageError: If it is none.
    """
    try:
        note = strict_json.load(data)
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise MessageError("what came over the bus is no note")
    return note


def is_passed_on(error: Exception) -> bool:
    """Whether the other side is told what it was."""
    return isinstance(error, _PASSED_ON)


def write_error(error: Exception) -> dict[str, Any]:
    """An error, for `read_error`; it can be packed, and is short, whatever is in it."""
    if not is_passed_on(error):
        error = BusError("the process that holds the session failed; its log says why")
    meta = error.meta if isinstance(error, OfferError) else {}
    try:
        if len(pack(meta)) > MAX_ERROR:
            meta = {}
    except MessageError:  # the text has to do
        meta = {}
    return {"kind": type(error).__name__, "text": str(error)[:MAX_ERROR], "meta": meta}


def read_error(note: Any) -> Exception:
    """The error that was written.

    Of a kind that is not known here it is a `BusError`, and of one that takes more than a text a
    `HandlerError`.
    """
    if not isinstance(note, dict):
        return BusError("the process that holds the session failed")
    kind, text, meta = note.get("kind"), str(note.get("text")), note.get("meta")
    if kind == "TimeoutError":
        return TimeoutError(text)
    found = next((one for one in _kinds(FastRTCError) if one.__name__ == kind), BusError)
    try:
        if issubclass(found, OfferError):
            return found(text, **(meta if isinstance(meta, dict) else {}))
        return found(text)
    except TypeError:
        return HandlerError(text)


def _kinds(kind: type[FastRTCError]) -> list[type[FastRTCError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in _kinds(one))]
