"""The notes of another server, checked: what is read here cannot harm this one.

A bus is shared, and who else writes to it, or with which version, is not known here. So every
number is within bounds, every list is short, and every uid is one that a user can have.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any, NamedTuple, TypeGuard

from ..errors import MessageError
from ..messaging.assembler import MAX_MESSAGE, is_message_id
from ..messaging.chat import MAX_AGE, Written
from ..messaging.naming import MAX_NAME, MAX_UID, is_unicode
from ..messaging.rpc import MAX_TEXT as MAX_CALL
from ..messaging.streams.packets import MAX_PACKET
from ..messaging.transcripts import Transcript, read_transcript
from ..room.events import CallSent, MessageSent, Sent, StreamPacketSent, Transcribed
from ..room.video_router import CODECS

MAX_TIME = 1e12
"""Latest Unix time in s."""

MAX_TRACKS = 16
"""Tracks of one user."""

MAX_REASON = 40
"""Characters of why somebody has left."""

_SENT: dict[str, type[Sent]] = {
    "stream_message": MessageSent,
    "rpc": CallSent,
    "data_stream": StreamPacketSent,
}
"""What members on other servers are sent; the fields stand in `details`, the sender first."""

_TEXTS = {"stream_message": MAX_MESSAGE, "rpc": MAX_CALL, "data_stream": MAX_PACKET}
"""How long the text of each may be, in bytes."""


class User(NamedTuple):
    """Somebody whom another server has named.

    Attributes:
        uid: Who it is.
        name: What it is called.
        tracks: The sources of what it publishes.
        since: When it joined, as Unix time in s.
        codec: Of its camera; `None` if there is none.
        muted: The sources of what is muted.
    """

    uid: int
    name: str
    tracks: tuple[str, ...]
    since: float
    codec: Any
    muted: tuple[str, ...] = ()


class State(NamedTuple):
    """Who is on another server.

    Attributes:
        age: For how long the room has stood there, in s.
        users: All of them.
        listens: Whether any of them would hear others.
        watches: Whose cameras they look at.
        departed: Who has left since the latest state, and why.
    """

    age: float
    users: tuple[User, ...]
    listens: bool
    watches: frozenset[int]
    departed: dict[int, str]


class Told(NamedTuple):
    """What members are to be told.

    Attributes:
        event: Of what.
        to: Who is told; `None` for all.
    """

    event: Sent | Transcribed
    to: int | None


def read_state(note: dict[str, Any], max_users: int) -> State:
    """Read a `state`.

    Raises:
        MessageError: If it cannot be read, or names more users than a channel has.
    """
    age, users, watches = note.get("age"), note.get("users"), note.get("watches", [])
    if not is_number(age, 0, MAX_AGE):
        raise MessageError(f"the age of a room must be 0 to {MAX_AGE:g} s")
    if not isinstance(users, list) or len(users) > max_users:
        raise MessageError(f"users must be a list of at most {max_users}")
    if not isinstance(watches, list) or len(watches) > max_users:
        raise MessageError(f"watches must be a list of at most {max_users} uids")
    if not all(map(is_uid, watches)):
        raise MessageError(f"watches must be uids, 1 to {MAX_UID}")
    return State(
        age,
        tuple(map(_read_user, users)),
        bool(note.get("listens")),
        frozenset(watches),
        read_departed(note),
    )


def read_departed(note: dict[str, Any]) -> dict[int, str]:
    """Why whom has left; what cannot be read is left out, as it is for people to read only."""
    listed = note.get("departed")
    return {
        uid: reason
        for uid, reason in (one for one in _list(listed) if isinstance(one, list) and len(one) == 2)
        if is_uid(uid) and is_unicode(reason) and len(reason) <= MAX_REASON
    }


def read_told(note: dict[str, Any]) -> Told:
    """Read a `tell`.

    Raises:
        MessageError: If it cannot be read.
    """
    event, details, to = note.get("event"), note.get("details"), note.get("to")
    if event == "transcript":
        by, uid, transcript = _read_transcript(details)
        return Told(Transcribed(uid, transcript, by), None)
    if not isinstance(event, str) or event not in _TEXTS:
        raise MessageError(f"members are not told of {str(event)[:40]!r}")
    kind = _SENT[event]
    count = len(fields(kind))
    if not isinstance(details, list) or len(details) != count or not is_uid(details[0]):
        raise MessageError(f"the details of {event} must be {count}, a uid first")
    text = details[1]
    # A character is one byte or more: the bytes are counted only where the length allows it.
    if not is_unicode(text) or len(text) > _TEXTS[event] or len(text.encode()) > _TEXTS[event]:
        raise MessageError(f"the text of {event} must have {_TEXTS[event]} bytes at most")
    if count == 3 and details[2] != "" and not is_message_id(details[2]):
        raise MessageError("the id of a message is too long")
    if to is not None and not is_uid(to):
        raise MessageError(f"who is told must be a uid, 1 to {MAX_UID}")
    return Told(kind(*details), to)


def write_told(event: Sent | Transcribed) -> dict[str, Any]:
    """What `read_told` reads."""
    if isinstance(event, Transcribed):
        details = (event.sender, event.uid, event.transcript._asdict())
        return {"event": "transcript", "details": details}
    [name] = (name for name, kind in _SENT.items() if isinstance(event, kind))
    return {"event": name, "details": astuple(event)}


def write_chat(written: Written) -> dict[str, Any]:
    """What `chat.read_written` reads."""
    return {
        "id": written.id,
        "seq": written.sequence,
        "text": written.text,
        "final": written.final,
    }


def is_uid(value: Any) -> TypeGuard[int]:
    """Whether it is the uid of a user."""
    return type(value) is int and 0 < value <= MAX_UID


def is_number(value: Any, least: float, most: float) -> TypeGuard[float]:
    """Whether it is a number within bounds; `NaN` is within none."""
    return type(value) in (int, float) and least <= value <= most


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_transcript(details: Any) -> tuple[int, int | None, Transcript]:
    if not isinstance(details, list) or len(details) != 3 or not is_uid(details[0]):
        raise MessageError("the details of transcript must be 3, a uid first")
    by, uid, data = details
    if uid is not None and not is_uid(uid):
        raise MessageError(f"who spoke must be a uid, 1 to {MAX_UID}")
    return by, uid, read_transcript(data)


def _read_user(user: Any) -> User:
    if not isinstance(user, dict):
        raise MessageError("a user must be an object")
    uid, name = user.get("uid"), user.get("name")
    since, codec = user.get("since"), user.get("codec")
    if not is_uid(uid):
        raise MessageError(f"a uid must be 1 to {MAX_UID}")
    if not is_unicode(name) or len(name) > MAX_NAME:
        raise MessageError(f"the name of a user must have {MAX_NAME} characters at most")
    tracks, muted = _read_sources(user.get("tracks")), _read_sources(user.get("muted", []))
    if not is_number(since, 0, MAX_TIME):
        raise MessageError("since must be a Unix time in s")
    known = codec if codec in CODECS else None
    return User(uid, name, tracks, float(since), known, muted)


def _read_sources(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_TRACKS:
        raise MessageError(f"tracks must be a list of at most {MAX_TRACKS}")
    if not all(isinstance(source, str) for source in value):
        raise MessageError("each of the tracks must be named by its source")
    return tuple(value)
