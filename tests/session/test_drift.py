"""A microphone whose clock is not ours."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import connect
from fastrtc_handlers import Echo


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("drift", "minutes"),
    [
        (200e-6, 5),
        pytest.param(200e-6, 15, marks=pytest.mark.soak),
        pytest.param(-200e-6, 15, marks=pytest.mark.soak),
    ],
)
async def test_an_echo_of_a_drifting_clock_stays_prompt_and_whole(
    drift: float, minutes: int
) -> None:
    """With 200 ppm either way, no frame is lost in minutes, and none is held for long."""
    loop = asyncio.get_running_loop()
    frames = 50 * 60 * minutes
    step = 0.02 / (1 + drift)
    delays = np.zeros(frames)
    async with connect(Echo()) as peer:
        start = loop.time()
        data = np.ones((1, 960), np.int16)
        for number in range(frames):
            await asyncio.sleep(max(0.0, start + number * step - loop.time()))
            peer.push(AudioFrame(48000, data))
        await asyncio.sleep(1)
        assert len(peer.heard) == frames
        sent = start + np.arange(frames) * step
        delays = np.array([when for when, _ in peer.heard]) - sent
    # What gathers in the two seconds before a standing queue is noticed, and while it drains.
    assert delays.max() < 0.025
