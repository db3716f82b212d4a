"""What the members of a room are told, each kind of event as a class of its own.

`Event` is all of them: whoever takes one says in a `match` what becomes of each kind, and the type
checker proves that none is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..messaging.chat import ChatMessage
from ..messaging.transcripts import Transcript


@dataclass(frozen=True)
class UserJoined:
    """Somebody has come in; `user` is what others learn of it."""

    uid: int
    user: dict[str, Any]


@dataclass(frozen=True)
class UserLeft:
    """Somebody has left, and why."""

    uid: int
    reason: str


@dataclass(frozen=True)
class TrackPublished:
    """Somebody publishes a track."""

    uid: int
    source: str


@dataclass(frozen=True)
class TrackUnpublished:
    """Somebody publishes a track no longer."""

    uid: int
    source: str


@dataclass(frozen=True)
class TrackMuted:
    """Nobody hears or sees a track of somebody any more."""

    uid: int
    source: str


@dataclass(frozen=True)
class TrackUnmuted:
    """It is heard or seen again."""

    uid: int
    source: str


@dataclass(frozen=True)
class ConnectionStateChanged:
    """The other servers can be reached again (`connected`), or no longer (`reconnecting`)."""

    state: str


@dataclass(frozen=True)
class ActiveSpeaker:
    """Somebody else speaks now; `None` where nobody does."""

    uid: int | None


@dataclass(frozen=True)
class VideoSourceChanged:
    """The camera that a member is shown is that of somebody else; `None` where it is none."""

    uid: int | None


@dataclass(frozen=True)
class TokenWillExpire:
    """The token of a member ends in so many s."""

    seconds: int


@dataclass(frozen=True)
class TokenExpired:
    """The token of a member has ended, and with it its stay."""


@dataclass(frozen=True)
class ChatWritten:
    """Somebody has written to the chat, or has changed what it wrote."""

    message: ChatMessage


@dataclass(frozen=True)
class MessageSent:
    """Somebody has sent a message."""

    sender: int
    text: str
    msg_id: str


@dataclass(frozen=True)
class Transcribed:
    """What somebody said was written down; `uid` is `None` where nobody knows who said it."""

    uid: int | None
    transcript: Transcript
    sender: int


@dataclass(frozen=True)
class CallSent:
    """A request or a response of a call, from somebody to this member."""

    sender: int
    text: str


@dataclass(frozen=True)
class StreamPacketSent:
    """A packet of a stream, from somebody to this member."""

    sender: int
    text: str


Sent = MessageSent | CallSent | StreamPacketSent
"""What one member sends others."""

Event = (
    UserJoined
    | UserLeft
    | TrackPublished
    | TrackUnpublished
    | TrackMuted
    | TrackUnmuted
    | ConnectionStateChanged
    | ActiveSpeaker
    | VideoSourceChanged
    | TokenWillExpire
    | TokenExpired
    | ChatWritten
    | Transcribed
    | Sent
)
