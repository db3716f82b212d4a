"""A camera of Chromium behind a narrow line, by the kernel's own limit (`tc … tbf`)."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.uplink import UnavailableError, measure

SETTLED = 3.0
"""Time in s within which a camera has found out what its line carries."""


@pytest.mark.soak
@pytest.mark.parametrize("rate", [600, 300])
def test_a_camera_fits_its_line(rate: int) -> None:
    """Nothing is lost, of the sound beside it least of all, and nothing waits for long."""
    try:
        looks = measure(rate, seconds=15)
    except UnavailableError as error:
        pytest.skip(str(error))
    begun = looks[0]["time"]
    settled = [look for look in looks if look["time"] > begun + SETTLED]
    last = looks[-1]
    assert last["lostAudio"] == 0
    assert last["lost"] == 0
    assert last["sentAudio"] > 40 * (last["time"] - begun)
    assert statistics.median(look["roundTrip"] for look in settled) < 0.15
    sent = 8 * (last["bytes"] - settled[0]["bytes"]) / (last["time"] - settled[0]["time"])
    assert 0.3 * rate < sent / 1000 < rate
