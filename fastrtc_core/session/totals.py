"""Counters over all sessions of a stream, past and present."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .snapshot import SessionSnapshot
from .turn_totals import TurnTotals


@dataclass
class SessionTotals:
    """Counters over sessions; `dataclasses.asdict` makes JSON of it.

    Attributes:
        ended: Ended sessions, by transport and then by `CloseReason`.
        refused: Refused offers, by the `code` of their error.
        dropped: Items dropped by full queues; the names are those of `SessionSnapshot`.
        packets: Packets of incoming audio: `received`, `lost`, `late` and `duplicated`.
        concealed: Frames of incoming audio that were concealed because packets were missing.
        silent: Concealed frames that are plain silence.
        malformed: Client messages that could not be parsed.
        turns: What became of turns.
    """

    ended: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    packets: dict[str, int] = field(default_factory=dict)
    concealed: int = 0
    silent: int = 0
    malformed: int = 0
    turns: TurnTotals = field(default_factory=TurnTotals)

    def add(self, session: SessionSnapshot) -> None:
        """Add the counters of a session."""
        _add(self.dropped, session.dropped)
        self.malformed += session.malformed
        self.turns.merge(session.turns)
        network = session.network
        if network is not None:
            outcomes = ("received", "lost", "late", "duplicated")
            _add(self.packets, {outcome: getattr(network, outcome) for outcome in outcomes})
            self.concealed += network.concealed
            self.silent += network.silent

    def end(self, session: SessionSnapshot) -> None:
        """Add a session that has ended."""
        self.add(session)
        reason = session.close_reason or "unknown"
        _add(self.ended.setdefault(session.transport, {}), {reason: 1})

    def refuse(self, code: str) -> None:
        """Add a refused offer."""
        _add(self.refused, {code: 1})

    def copy(self) -> SessionTotals:
        """An independent copy."""
        return SessionTotals(
            {transport: dict(reasons) for transport, reasons in self.ended.items()},
            dict(self.refused),
            dict(self.dropped),
            dict(self.packets),
            self.concealed,
            self.silent,
            self.malformed,
            self.turns.copy(),
        )


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number
