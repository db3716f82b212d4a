"""How late the event loop is: a count of delays that knows no clock, and the timer around it."""

from __future__ import annotations

import asyncio
import time

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.operations.lag import BOUNDS, RECENT, LoopLag, watched

DELAYS = st.lists(
    st.tuples(st.floats(0, 5, allow_nan=False), st.floats(0, 2, allow_nan=False)), max_size=60
)


@given(DELAYS)
def test_the_worst_is_the_largest_of_the_last_seconds(observed: list[tuple[float, float]]) -> None:
    """As a list of all delays says, whatever their order; and each is in one bucket."""
    lag, now, everything = LoopLag(), 0.0, []
    for delay, pause in observed:
        now += pause
        lag.observe(delay, now)
        everything.append((now, delay))
        recent = [seen for when, seen in everything if when >= now - RECENT]
        assert lag.worst(now) == max(recent)
    assert lag.worst(now + 2 * RECENT) == 0
    assert sum(lag.counts) == len(observed)
    for index, bound in enumerate(BOUNDS):
        assert sum(lag.counts[: index + 1]) == sum(delay <= bound for _, delay in everything)


@pytest.mark.real_time
async def test_a_blocked_loop_is_seen_while_the_app_runs() -> None:
    """The timer belongs to the lifespan of the app, and is gone with it."""
    app = FastAPI()
    lag = LoopLag()
    lifespan = watched(app.router.lifespan_context, lag)
    async with lifespan(app):
        await asyncio.sleep(0.25)
        time.sleep(0.4)  # noqa: ASYNC251 - blocks the loop, as code of users does
        await asyncio.sleep(0.25)
        assert 0.25 < lag.worst(asyncio.get_running_loop().time()) < 5
        assert lag.total > 0.25
    seen = sum(lag.counts)
    await asyncio.sleep(0.25)
    assert sum(lag.counts) == seen
