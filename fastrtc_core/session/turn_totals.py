"""What became of turns, counted: histograms of the gap and of its stages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ..speech import TurnRecord

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0, 10.0)
"""Upper bounds in s of what is counted together; what is longer is counted by itself."""

Value = TypeVar("Value")

MAX_NAMES = 64
"""Names of stages that are told apart; all further ones are counted as `other`."""


@dataclass
class Histogram:
    """How often something took how long.

    Attributes:
        counts: By `BOUNDS`, and one more for what is longer.
        total: The sum in s.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def count(self, seconds: float) -> None:
        """Once more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def add(self, other: Histogram) -> None:
        """What another one has counted."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


@dataclass
class TurnTotals:
    """Counters over turns.

    Attributes:
        ended: Turns that are over: `answered` to the end, `interrupted` after the first sound, or
            `unheard`.
        gap: The silence before the answers that were heard.
        stages: The same, by the stages of these gaps.
    """

    ended: dict[str, int] = field(default_factory=dict)
    gap: Histogram = field(default_factory=Histogram)
    stages: dict[str, Histogram] = field(default_factory=dict)

    def add(self, record: TurnRecord) -> None:
        """Count a turn."""
        outcome = "interrupted" if record.interrupted else "answered"
        outcome = outcome if record.answered else "unheard"
        self.ended[outcome] = self.ended.get(outcome, 0) + 1
        if record.answered:
            self.gap.count(record.gap)
            for name, seconds in record.stages.items():
                self._stage(name).count(seconds)

    def merge(self, other: TurnTotals) -> None:
        """Add what another one has counted; it may be counting meanwhile, on its own thread."""
        for outcome, number in _items(other.ended):
            self.ended[outcome] = self.ended.get(outcome, 0) + number
        self.gap.add(other.gap)
        for name, histogram in _items(other.stages):
            self._stage(name).add(histogram)

    def copy(self) -> TurnTotals:
        """An independent copy."""
        copied = TurnTotals()
        copied.merge(self)
        return copied

    def _stage(self, name: str) -> Histogram:
        if name not in self.stages and len(self.stages) >= MAX_NAMES:
            name = "other"
        return self.stages.setdefault(name, Histogram())


def _items(of: dict[str, Value]) -> Iterable[tuple[str, Value]]:
    return tuple(of.copy().items())
