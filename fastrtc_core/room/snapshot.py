"""What goes on in a room at one moment, for tests and monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MemberKind = Literal["browser", "process", "server"]


@dataclass(frozen=True)
class MemberSnapshot:
    """A member of a channel at one moment.

    Attributes:
        uid: Who it is.
        name: What it is called.
        kind: A `browser`, code of this `process`, or a member on another `server`.
        tracks: The sources of what it publishes, sorted.
        muted: Those that nobody hears or sees.
        waiting: Characters of what others sent that wait to leave for a browser.
        dropped: Messages and packets that found no room there.
        calls: Calls of its methods that run.
        asked: Calls of its own that wait for an answer.
        decodes: Whether its voice comes from another server and is decoded here.
    """

    uid: int
    name: str
    kind: MemberKind
    tracks: tuple[str, ...]
    muted: tuple[str, ...]
    waiting: int = 0
    dropped: int = 0
    calls: int = 0
    asked: int = 0
    decodes: bool = False


@dataclass(frozen=True)
class RoomSnapshot:
    """A channel at one moment, as this server knows it.

    Attributes:
        name: Of the channel.
        members: By uid.
        whole: Whether other servers, if there are any, can be reached.
        chat: Messages of the chat that are kept.
        cameras: Whose cameras may be seen, by uid, sorted.
        watched: Whose cameras are seen, or are to be seen.
        encoders: Cameras that this server encodes.
    """

    name: str
    members: dict[int, MemberSnapshot]
    whole: bool
    chat: int
    cameras: tuple[int, ...]
    watched: tuple[int, ...]
    encoders: int
