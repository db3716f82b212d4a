"""What is missing is asked for at once, again after a round trip, and not for ever."""

from __future__ import annotations

import pytest

from fastrtc_core.media.lost_packets import MAX_GAP, MAX_REQUESTS, MIN_INTERVAL, LostPackets
from fastrtc_core.media.video_frames import PATIENCE


def test_what_is_missing_is_asked_for_at_once() -> None:
    """Across the wrap of the numbers, too; what comes is not asked for again."""
    lost = LostPackets()
    assert lost.push(65533, 0.0) == []
    assert lost.push(1, 0.01) == [65534, 65535, 0]
    assert lost.push(65535, 0.02) == []
    assert len(lost) == 2
    assert lost.due(1 / 4) == [65534, 0]
    assert lost.requested == 5


def test_it_is_asked_for_again_after_a_round_trip() -> None:
    """Which is learned from what was asked for once."""
    lost = LostPackets()
    lost.push(0, 0.0)
    for number in range(40):
        lost.push(2 * number + 2, number / 10)
        lost.push(2 * number + 1, number / 10 + 0.04)
    assert lost.round_trip == pytest.approx(0.04, abs=0.001)
    assert lost.deadline is None
    lost.push(102, 10.0)
    deadline = lost.deadline
    assert deadline == pytest.approx(10.05, abs=0.001)
    assert lost.due(10.04) == []
    assert len(lost.due(10.05)) == len(lost) == 21
    assert lost.deadline == pytest.approx(10.1, abs=0.001)


def test_what_does_not_come_is_given_up() -> None:
    """Within the time that a picture is waited for; before that, a keyframe may be sooner."""
    lost = LostPackets()
    lost.round_trip = 0.001
    lost.push(0, 0.0)
    asked, now = len(lost.push(2, 0.0)), 0.0
    while (deadline := lost.deadline) is not None:
        assert deadline <= now + MIN_INTERVAL + 1e-9
        assert lost.hopeless(now) == (now >= PATIENCE / 5)
        now = deadline
        asked += len(lost.due(now))
    assert asked == MAX_REQUESTS
    assert now <= PATIENCE


def test_a_gap_in_the_numbers_costs_what_can_be_asked_for() -> None:
    """Not each of 32,767 packets that never were."""
    lost = LostPackets()
    lost.push(10, 0.0)
    assert lost.push(13, 0.0) == [11, 12]
    assert lost.push(32000, 0.0) == []
    assert len(lost) == 0
    assert len(lost.push(32000 + MAX_GAP + 1, 0.0)) == MAX_GAP
    assert lost.push(32003 + MAX_GAP, 0.0) == []


@pytest.mark.parametrize("back", [1024, 5000, 30_000])
def test_a_sender_that_begins_again_with_lower_numbers(back: int) -> None:
    """What it loses then is asked for, not only once its numbers are as high as before."""
    lost = LostPackets()
    lost.push(40_000, 0.0)
    assert lost.push(40_000 - back, 1.0) == []
    assert lost.push(40_002 - back, 1.1) == [40_001 - back]


def test_what_nobody_waits_for_is_not_asked_for() -> None:
    """A keyframe has come, and what was lost before it is of no use."""
    lost = LostPackets()
    lost.push(0, 0.0)
    assert lost.push(4, 0.0) == [1, 2, 3]
    lost.forget(3)
    assert lost.due(0.3) == [3]
