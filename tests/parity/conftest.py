"""Runs each behaviour over every transport: a test asks for `transport`, and gets each in turn.

FastRTC's µ-law over a WebSocket differs from 16 bits in how it sounds, and in nothing else: it has
its turn in modules that are about sound (`pytestmark = pytest.mark.sound`).
"""

from __future__ import annotations

import pytest

from fastrtc_core.webrtc import liveness

from .clients import TRANSPORTS


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sound: run over each codec of a transport")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `transport` its values; in-process nothing waits for the world: its time is virtual."""
    if "transport" not in metafunc.fixturenames:
        return
    each_codec = metafunc.definition.get_closest_marker("sound") is not None
    values = [
        pytest.param(each, id=str(each), marks=() if each.on_network else pytest.mark.virtual_clock)
        for each in TRANSPORTS
        if each_codec or not each.variant
    ]
    metafunc.parametrize("transport", values)


@pytest.fixture
def soon_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A WebRTC peer that vanishes is noticed within a second instead of five."""
    monkeypatch.setattr(liveness, "INTERVAL", 0.2)
    monkeypatch.setattr(liveness, "ASK_AFTER", 0.2)
    monkeypatch.setattr(liveness, "LOST_AFTER", 0.8)
