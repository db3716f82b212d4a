"""How much a browser may send."""

from __future__ import annotations

import pytest

from fastrtc_core.room.allowance import Allowance


def test_a_burst_then_a_rate() -> None:
    """What is refused costs nothing, so that a flood does not lock its sender out."""
    allowance = Allowance(50.0, 200.0, 10.0)
    assert sum(allowance.take(1, 10.0) for _ in range(300)) == 200
    taken = sum(allowance.take(1, 10.0 + number / 1000) for number in range(1, 2001))
    assert taken == pytest.approx(100, abs=1)
    assert sum(allowance.take(1, 1000.0) for _ in range(300)) == 200, "no more is saved up"
    assert not allowance.take(201, 2000.0)
