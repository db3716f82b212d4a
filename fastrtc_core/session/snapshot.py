"""What goes on in a session at one moment, for tests and monitoring."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..media.jitter import JitterStatistics
from .turn_totals import TurnTotals


@dataclass(frozen=True)
class SessionSnapshot:
    """A session at one moment; `dataclasses.asdict` makes JSON of it.

    What the counts of `waiting` and `dropped` are about is said by their names: `messages` of the
    client that wait for `on_message`, `early` messages to the client that wait for its channel to
    open, `speeches` that wait to be said, `outputs` that wait for a subscriber, and frames of
    `audio` and `video` that wait for the handler.

    Attributes:
        id: Its id.
        transport: As in its `Context`.
        state: `new`, `running`, `paused`, `ending` or `closed`.
        close_reason: Why it ends, once it was told to; a `CloseReason`.
        tracks: The sources of the tracks that the client publishes, sorted.
        tasks: Tasks that it owns.
        speaking: Whether something is being said, or waits to be.
        subscribers: Who reads its additional outputs.
        waiting: How much waits in each of its queues.
        dropped: How much each of them has dropped since the session began.
        malformed: Messages of the client that could not be read.
        network: What the network did to the incoming audio; `None` where none comes in packets.
        turns: What became of its turns.
    """

    id: str
    transport: str
    state: str
    close_reason: str | None
    tracks: tuple[str, ...]
    tasks: int
    speaking: bool
    subscribers: int
    waiting: dict[str, int]
    dropped: dict[str, int]
    malformed: int
    network: JitterStatistics | None = None
    turns: TurnTotals = field(default_factory=TurnTotals)
