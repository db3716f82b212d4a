"""What happens in a day: drawn from a seed, and made shorter where it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

HOUR = 3600.0

Kind = Literal[
    "call",
    "crowd",
    "meeting",
    "outage",
    "stall",
    "clock",
    "bus",
    "oversize",
    "close",
]
"""Calls come over each transport; a crowd is many at once, more than there is room for. In an
outage no datagram arrives. In a stall the process stands still, and its monotonic clock jumps; a
clock jump is one of the wall clock. The bus between two servers is cut. Inputs come that are far
too large. The server closes who is there."""

OFTEN: dict[Kind, int] = {
    "call": 56,
    "crowd": 1,
    "meeting": 8,
    "outage": 10,
    "stall": 8,
    "clock": 5,
    "bus": 4,
    "oversize": 4,
    "close": 4,
}
"""How often each happens, of 100 times."""


@dataclass(frozen=True)
class Event:
    """One thing that happens.

    Attributes:
        at: When, in s.
        kind: What.
        seed: What else there is to choose about it.
    """

    at: float
    kind: Kind
    seed: int


def draw(seed: int, hours: float, per_hour: float) -> list[Event]:
    """What happens in so many hours, in its order; always the same for one seed."""
    random = np.random.default_rng(seed)
    kinds = list(OFTEN)
    odds = np.array([OFTEN[kind] for kind in kinds]) / sum(OFTEN.values())
    events: list[Event] = []
    at = 0.0
    while (at := at + random.exponential(HOUR / per_hour)) < hours * HOUR:
        # Every third thing happens while the one before is still going on.
        if events and random.random() < 1 / 3:
            at = events[-1].at + random.uniform(0, 5)
        events.append(Event(round(at, 3), kinds[random.choice(len(kinds), p=odds)], len(events)))
    return events


def shrink(
    events: list[Event], fails: Callable[[list[Event]], bool], attempts: int = 40
) -> list[Event]:
    """The fewest events that still fail, as far as so many attempts find them.

    Parts are left out, each half as large as the ones before (delta debugging, Zeller 1999).
    """
    size = len(events) // 2
    while size:
        start = 0
        while start < len(events):
            if not attempts:
                return events
            attempts -= 1
            fewer = events[:start] + events[start + size :]
            if fails(fewer):
                events = fewer
            else:
                start += size
        size //= 2
    return events
