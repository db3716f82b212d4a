"""What the reports of the other side say of what was sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.media.arrivals import CAPACITY, Arrivals


@given(
    first=st.integers(0, 0xFFFF),
    reported=st.lists(st.integers(0, 3000), max_size=20),
    cycles=st.integers(0, 0xFFFF),
)
def test_the_highest_packet_that_was_reported_counts(
    first: int, reported: list[int], cycles: int
) -> None:
    """Whatever comes twice, late or from nowhere, it goes forwards, and never beyond the report."""
    arrivals = Arrivals(7)
    sent = 0
    highest = -1
    for number in reported:
        for _ in range(100):
            arrivals.note_sent(first + sent, 1000 + sent)
            sent += 1
        arrivals.note_report((cycles << 16) + ((first + number) & 0xFFFF))
        if sent - CAPACITY <= number < sent:
            highest = max(highest, number)
        assert arrivals.position == (1000 + highest if highest >= 0 else 7)


def test_nothing_was_sent() -> None:
    """A report of nothing says nothing."""
    arrivals = Arrivals()
    arrivals.note_report(5)
    assert arrivals.position == 0
