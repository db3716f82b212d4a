"""What processes say to each other: JSON objects, and errors in them."""

from __future__ import annotations

import json
from typing import Any

from .. import strict_json
from ..errors import BusError, FastRTCError, HandlerError, MessageError, OfferError

_PASSED_ON = (FastRTCError, TimeoutError)
"""Errors that the other side gets as they are; any other is in the log of where it was raised."""


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
    """An error, for `read_error`."""
    if not is_passed_on(error):
        error = BusError("the process that holds the session failed; its log says why")
    meta = error.meta if isinstance(error, OfferError) else {}
    return {"kind": type(error).__name__, "text": str(error), "meta": meta}


def read_error(note: Any) -> Exception:
    """The error that was written; a `BusError` if it is of a kind that this version does not know.

    Of errors of another module, as those of WHIP, only `OfferError` is left, with its text.
    """
    if not isinstance(note, dict):
        return BusError("the process that holds the session failed")
    kind, text, meta = note.get("kind"), str(note.get("text")), note.get("meta")
    if kind == "TimeoutError":
        return TimeoutError(text)
    found = next((one for one in _kinds(FastRTCError) if one.__name__ == kind), BusError)
    if issubclass(found, OfferError):
        return found(text, **(meta if isinstance(meta, dict) else {}))
    try:
        return found(text)
    except TypeError:  # one that takes more than a text
        return HandlerError(text)


def _kinds(kind: type[FastRTCError]) -> list[type[FastRTCError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in _kinds(one))]
