"""Requests for keyframes: none is lost, and there are not too many."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core.webrtc.keyframes import INTERVAL, KeyframeRequests

pytestmark = pytest.mark.virtual_clock


async def test_many_requests_are_one() -> None:
    """The first is made at once, and what comes too early is made when it is time."""
    loop = asyncio.get_running_loop()
    made: list[float] = []
    begun = loop.time()
    requests = KeyframeRequests(lambda: made.append(loop.time() - begun))
    for _ in range(100):
        requests.request()
        await asyncio.sleep(0.01)
    await asyncio.sleep(5)
    assert made == pytest.approx([0.0, INTERVAL, 2 * INTERVAL])
    requests.request()
    assert requests.asked == len(made) == 4


async def test_a_keyframe_makes_a_waiting_request_needless() -> None:
    made: list[None] = []
    requests = KeyframeRequests(lambda: made.append(None))
    requests.request()
    requests.request()
    requests.satisfy()
    await asyncio.sleep(1)
    assert len(made) == 1


async def test_after_the_end_nothing_is_asked() -> None:
    made: list[None] = []
    requests = KeyframeRequests(lambda: made.append(None))
    requests.request()
    requests.request()
    requests.close()
    requests.request()
    await asyncio.sleep(1)
    assert len(made) == 1
