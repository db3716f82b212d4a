"""A day of joins, kills, stalls, outages and clock jumps leaves nothing behind."""

from __future__ import annotations

import time

import pytest

from .schedule import Event, draw, shrink
from .world import live

SHRINKING = 240
"""How long in s fewer events are looked for that fail."""


def run(seed: int, hours: float, per_hour: float) -> None:
    """Live through so many hours; what fails is told as the fewest events that do."""
    events = draw(seed, hours, per_hour)
    wrong, report = live(events)
    if wrong:
        until = time.monotonic() + SHRINKING
        fewest = shrink(
            events, lambda fewer: time.monotonic() < until and live(fewer)[0] is not None
        )
        pytest.fail(f"{wrong}; {len(fewest)} of {len(events)} events do the same: {fewest}")
    print(dict(report))


def test_a_while() -> None:
    """A few events, as in a day."""
    run(seed=3, hours=0.5, per_hour=15)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_day() -> None:
    """24 hours: sessions, tasks, threads, sockets and objects are as at its beginning."""
    run(seed=1, hours=24, per_hour=15)


def test_what_fails_is_told_in_short() -> None:
    """Of a day, the two events that fail together are left."""
    events = draw(1, 24, 15)
    needed = {events[37], events[200]}
    tries = []

    def fails(fewer: list[Event]) -> bool:
        tries.append(fewer)
        return needed <= set(fewer)

    assert shrink(events, fails, attempts=200) == sorted(needed, key=lambda event: event.at)
    tries.clear()
    assert needed <= set(shrink(events, fails, attempts=10))
    assert len(tries) == 10
