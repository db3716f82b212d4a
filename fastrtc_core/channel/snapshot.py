"""What goes on in an engine at one moment, for tests and monitoring."""

from __future__ import annotations

from dataclasses import dataclass

from ..room.snapshot import RoomSnapshot


@dataclass(frozen=True)
class EngineSnapshot:
    """An engine at one moment; `dataclasses.asdict` makes JSON of it.

    Attributes:
        running: Whether it runs.
        channels: Those in which somebody of this server is, by name.
        connecting: Browsers that connect, by channel.
        tasks: Tasks that it owns: browsers, callbacks, and what they started.
        dropped: Events that were dropped because a callback was slow.
    """

    running: bool
    channels: dict[str, RoomSnapshot]
    connecting: dict[str, int]
    tasks: int
    dropped: int
