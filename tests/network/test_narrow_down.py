"""A line to Chromium that becomes narrow and wide again, by the kernel's own limit (`tc … tbf`)."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.downlink import NARROW, WIDE, measure
from benchmarks.uplink import UnavailableError


@pytest.mark.soak
def test_what_is_sent_follows_its_line() -> None:
    """Sound waits for a moment at most, pictures go on, and the bit rate comes back.

    The bounds are those of a machine that does much else: a server that waits for a processor
    sends late, too.
    """
    try:
        came = measure("ours", 8, 10, 10)
    except UnavailableError as error:
        pytest.skip(str(error))
    calm = came.narrow + 4
    assert statistics.median(came.late(calm, came.wide)) < 0.05
    assert statistics.median(came.late(came.wide + 1, came.end)) < 0.05
    assert came.bit_rate(calm, came.wide) < 1000 * NARROW
    assert came.bit_rate(calm, came.wide) > 0.3 * 1000 * NARROW
    assert came.fps(calm, came.wide) > 8
    assert came.bit_rate(came.end - 4, came.end) > 1.3 * came.bit_rate(calm, came.wide)
    assert came.bit_rate(came.end - 4, came.end) < 1000 * WIDE
