"""`Member`: somebody in a room, however it is connected."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Protocol

from ..messaging.streams.answering import Answering
from ..tracks import Participant, RemoteAudioTrack
from .events import Event
from .grants import ALL_PERMISSIONS, Grant, Permission
from .snapshot import MemberKind, MemberSnapshot

MutedSource = Literal["microphone", "camera"]
"""What can be muted."""


class Sender(Protocol):
    """Who says something."""

    @property
    def uid(self) -> int:
        """Who it is."""

    def may(self, permission: Permission) -> bool:
        """Whether it may do that."""


class Member(ABC):
    """Somebody in a room, however it is connected.

    Args:
        uid: Who it is.
        name: What it is called.
        permissions: What it may do.
        grant: What its token says, if it has one.

    Attributes:
        uid, name, permissions, grant: As above.
        participant: The tracks that it publishes.
        since: When it joined, as Unix time in s: of two of one uid, the first one stays.
        answering: The streams that it was sent.
        own_mutes: The sources that it has muted itself.
        held: Those that the server has muted.
    """

    is_here: ClassVar[bool] = True
    """Whether it is connected to this server."""

    remote_audio: RemoteAudioTrack | None = None
    """What it says, where that comes over a network."""

    def __init__(
        self,
        uid: int,
        name: str = "",
        permissions: frozenset[Permission] = ALL_PERMISSIONS,
        grant: Grant | None = None,
    ) -> None:
        self.grant = grant
        self.uid = uid
        self.name = name or str(uid)
        self.permissions = permissions
        self.participant = Participant(str(uid), self.name)
        self.since = time.time()
        self.answering = Answering()
        self.own_mutes: set[str] = set()
        self.held: set[str] = set()

    @property
    def muted(self) -> list[str]:
        """What nobody hears or sees of it: it has muted that itself, or the server has."""
        return sorted(self.own_mutes | self.held)

    def may(self, permission: Permission) -> bool:
        """Whether it may do that."""
        return permission in self.permissions

    def describe(self) -> dict[str, Any]:
        """What others learn of it."""
        tracks = sorted(self.participant.tracks)
        return {"uid": self.uid, "name": self.name, "tracks": tracks, "muted": self.muted}

    @abstractmethod
    def snapshot(self) -> MemberSnapshot:
        """What goes on with it now."""

    def _snapshot(self, kind: MemberKind) -> MemberSnapshot:
        tracks, muted = tuple(sorted(self.participant.tracks)), tuple(self.muted)
        return MemberSnapshot(self.uid, self.name, kind, tracks, muted)

    @abstractmethod
    def tell(self, event: Event) -> None:
        """Tell it of something that has happened; it must not raise."""

    @abstractmethod
    def expel(self, reason: str = "left") -> None:
        """Have it leave, soon; the others are told the reason."""
