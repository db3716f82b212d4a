"""The states of a session: what may follow what, and what it says of all else."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import CloseReason
from fastrtc_core.session.life import MAY_FOLLOW, Life, SessionState
from fastrtc_core.testing import InProcessPeer, connect, run_virtual

from .handlers import Recording

STEPS = ["begin", "pause", "resume", "stop", "close"]


@pytest.mark.virtual_clock
async def test_a_session_is_new_runs_ends_and_is_closed() -> None:
    """Each once; what it is can be asked at any time."""
    seen: list[SessionState] = []
    async with connect(Recording()) as peer:
        seen.append(peer.session.state)
        await asyncio.sleep(0.1)
        seen.append(peer.session.state)
        peer.session.stop(CloseReason.CLOSED)
        seen.append(peer.session.state)
    seen.append(peer.session.state)
    assert seen == [state for state in SessionState if state is not SessionState.PAUSED]
    assert peer.session.close_reason is CloseReason.CLOSED


@pytest.mark.virtual_clock
async def test_a_session_runs_once() -> None:
    """A second time is an error that names both states, while it runs and after it."""
    async with connect(Recording()) as peer:
        await asyncio.sleep(0.1)
        with pytest.raises(RuntimeError, match="cannot become running, it is running"):
            await peer.session.run()
        assert peer.session.state is SessionState.RUNNING
    await refused(peer)


async def refused(peer: InProcessPeer) -> None:
    with pytest.raises(RuntimeError, match="cannot become running, it is closed"):
        await peer.session.run()
    with pytest.raises(RuntimeError, match="closed, not running"):
        peer.session.link.create_task(asyncio.sleep(0))


@given(st.lists(st.sampled_from(STEPS), max_size=8))
def test_any_order_of_steps_follows_the_table(steps: list[str]) -> None:
    """A step that the table does not have is refused, or does nothing, and changes nothing."""

    async def take() -> None:
        life = Life("session")
        for step in steps:
            before = life.state
            try:
                if step == "stop":
                    life.stop(CloseReason.LOST)
                else:
                    getattr(life, step)()
            except RuntimeError:
                assert life.state is before
            assert life.state is before or life.state in MAY_FOLLOW[before]
            assert (life.reason is not None) == life.ending
            if step == "begin" and before is SessionState.PAUSED:
                assert life.state is before, "a client comes back by `resume` alone"

    run_virtual(take())
