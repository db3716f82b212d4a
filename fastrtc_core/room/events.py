"""What the members of a room are told, each kind of event as a class of its own.

Pages and callbacks know a kind by its `name`. A `Notice` is told to them as it stands: its name,
and its fields in their order. What becomes of the other kinds, whoever takes an `Event` says in a
`match`, and the type checker proves that none is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..messaging.chat import ChatMessage
from ..messaging.transcripts import Transcript


@dataclass(frozen=True)
class UserJoined:
    """Somebody has come in; `user` is what others learn of it."""

    name: ClassVar[str] = "user_joined"
    uid: int
    user: dict[str, Any]


@dataclass(frozen=True)
class UserLeft:
    """Somebody has left, and why."""

    name: ClassVar[str] = "user_left"
    uid: int
    reason: str


@dataclass(frozen=True)
class TrackPublished:
    """Somebody publishes a track."""

    name: ClassVar[str] = "track_published"
    uid: int
    source: str


@dataclass(frozen=True)
class TrackUnpublished:
    """Somebody publishes a track no longer."""

    name: ClassVar[str] = "track_unpublished"
    uid: int
    source: str


@dataclass(frozen=True)
class TrackMuted:
    """Nobody hears or sees a track of somebody any more."""

    name: ClassVar[str] = "track_muted"
    uid: int
    source: str


@dataclass(frozen=True)
class TrackUnmuted:
    """It is heard or seen again."""

    name: ClassVar[str] = "track_unmuted"
    uid: int
    source: str


@dataclass(frozen=True)
class ConnectionStateChanged:
    """The other servers can be reached again (`connected`), or no longer (`reconnecting`)."""

    name: ClassVar[str] = "connection_state_changed"
    state: str


@dataclass(frozen=True)
class ActiveSpeaker:
    """Somebody else speaks now; `None` where nobody does."""

    name: ClassVar[str] = "active_speaker"
    uid: int | None


@dataclass(frozen=True)
class VideoSourceChanged:
    """The camera that a member is shown is that of somebody else; `None` where it is none."""

    name: ClassVar[str] = "video_source"
    uid: int | None


@dataclass(frozen=True)
class TokenWillExpire:
    """The token of a member ends in so many s."""

    name: ClassVar[str] = "token_privilege_will_expire"
    seconds: int


@dataclass(frozen=True)
class TokenExpired:
    """The token of a member has ended, and with it its stay."""

    name: ClassVar[str] = "token_privilege_did_expire"


@dataclass(frozen=True)
class ChatWritten:
    """Somebody has written to the chat, or has changed what it wrote."""

    name: ClassVar[str] = "chat_message"
    message: ChatMessage


@dataclass(frozen=True)
class MessageSent:
    """Somebody has sent a message."""

    name: ClassVar[str] = "stream_message"
    sender: int
    text: str
    msg_id: str


@dataclass(frozen=True)
class Transcribed:
    """What somebody said was written down; `uid` is `None` where nobody knows who said it."""

    name: ClassVar[str] = "transcript"
    uid: int | None
    transcript: Transcript
    sender: int


@dataclass(frozen=True)
class CallSent:
    """A request or a response of a call, from somebody to this member."""

    name: ClassVar[str] = "rpc"
    sender: int
    text: str


@dataclass(frozen=True)
class StreamPacketSent:
    """A packet of a stream, from somebody to this member."""

    name: ClassVar[str] = "data_stream"
    sender: int
    text: str


Sent = MessageSent | CallSent | StreamPacketSent
"""What one member sends others."""

Notice = (
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
)
"""What is told as it stands."""

Event = Notice | ChatWritten | Transcribed | Sent
