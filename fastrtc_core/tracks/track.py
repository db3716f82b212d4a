"""`Track`: one medium in one direction, and everybody who reads it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar, runtime_checkable

from ..frames import AudioFrame
from ..media.level import level_of
from .stats import StreamState, TrackKind, TrackStats

F = TypeVar("F")
G = TypeVar("G", contravariant=True)


class Reader(Protocol[G]):
    """Gets what flows through a track; called on the event loop of the track."""

    def _push(self, frame: G) -> None: ...
    def _end(self) -> None: ...


@runtime_checkable
class Forgetful(Protocol):
    """A reader that can undo what it got."""

    def _take_back(self, count: int) -> None:
        """So many samples per channel, the last of all that were pushed, are not played."""


class Track(Generic[F]):
    """A hub: every reader gets each frame, and one that is slow delays no other.

    Without readers, frames are discarded.

    Args:
        name: What its publisher calls it.

    Attributes:
        sid: Its id, which never changes.
        name: As above.
        frames: How many have flowed through it.
    """

    kind: TrackKind

    def __init__(self, name: str = "") -> None:
        self.sid = f"TR_{secrets.token_urlsafe(9)}"
        self.name = name
        self.frames = 0
        self._muted = False
        self._ended = False
        self._latest: F | None = None
        self._readers: dict[Reader[F], None] = {}  # in the order in which they came
        self._statistics: Callable[[], Awaitable[TrackStats]] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sid} {self.name!r}>"

    @property
    def muted(self) -> bool:
        """Whether nothing is let through."""
        return self._muted

    @property
    def ended(self) -> bool:
        """Whether nothing more will come; it stays so."""
        return self._ended

    @property
    def readers(self) -> int:
        """How many streams, mixers, recorders and transports read it now."""
        return len(self._readers)

    @property
    def stream_state(self) -> StreamState:
        """Whether anything flows."""
        if self._muted:
            return "paused"
        return "active" if self.frames else "unknown"

    def mute(self) -> None:
        """Let nothing through from now on; time goes on, and what would have been heard is lost."""
        self._muted = True

    def unmute(self) -> None:
        """Let everything through again."""
        self._muted = False

    async def get_stats(self) -> list[TrackStats]:
        """What the transport of this track knows of it; empty without a transport."""
        if self._statistics is None:
            return []
        level = level_of(self._latest) if isinstance(self._latest, AudioFrame) else None
        return [replace(await self._statistics(), frames=self.frames, audio_level=level)]

    # The side of the producer

    def _deliver(self, frame: F) -> None:
        if self._muted:
            return
        self.frames += 1
        self._latest = frame
        for reader in tuple(self._readers):
            reader._push(frame)

    def end(self) -> None:
        """End the track and with it every stream; idempotent."""
        self._ended = True
        for reader in tuple(self._readers):
            reader._end()
        self._readers.clear()

    # The side of the readers

    def _attach(self, reader: Reader[F]) -> None:
        if self._ended:
            reader._end()
        else:
            self._readers[reader] = None

    def _detach(self, reader: Reader[F]) -> None:
        self._readers.pop(reader, None)
