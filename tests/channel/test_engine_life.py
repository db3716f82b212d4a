"""An engine starts and ends, in any order, as often as wanted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.channel import RtcEngine, RtcOptions
from fastrtc_core.channel.life import MAY_FOLLOW, EngineLife, EngineState


class Steps:
    """What an engine does at its beginning and at its end."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fails = ""

    async def step(self, name: str) -> None:
        await self.go_on.wait()
        self.done.append(name)
        if name == self.fails:
            raise ConfigurationError(f"{name} failed")

    @property
    def life(self) -> EngineLife:
        return EngineLife(
            lambda: self.step("begin"), lambda: self.step("leave"), lambda: self.step("close")
        )


async def test_it_starts_and_ends_as_often_as_wanted() -> None:
    """Each step once for each life, however often it is asked for."""
    steps = Steps()
    life = steps.life
    for _ in range(2):
        await asyncio.gather(life.start(), life.start())
        await asyncio.gather(life.end(), life.end())
        await life.end()
    assert steps.done == ["begin", "leave", "close"] * 2
    assert life.state is EngineState.ENDED
    with pytest.raises(ConfigurationError, match="the engine is ended, not running"):
        life.require()


async def test_a_start_while_it_ends_waits_for_the_end() -> None:
    """And then begins a life of its own, whose tasks the end before does not touch."""
    steps = Steps()
    life = steps.life
    await life.start()
    steps.go_on.clear()
    ending = asyncio.ensure_future(life.end())
    starting = asyncio.create_task(life.start())
    await asyncio.sleep(0.01)
    assert life.state is EngineState.ENDING
    steps.go_on.set()
    await ending
    await starting
    assert steps.done == ["begin", "leave", "close", "begin"]
    task = life.own(asyncio.sleep(0.01, "done"))
    assert await task == "done"
    await life.end()


@pytest.mark.parametrize("fails", ["begin", "leave", "close"])
async def test_what_fails_leaves_nothing_behind(fails: str) -> None:
    """It ends all the same, and its tasks with it."""
    steps = Steps()
    steps.fails = fails
    life = steps.life
    tasks: list[Any] = []

    async def live() -> None:
        await life.start()
        tasks.append(life.own(asyncio.sleep(60)))
        await life.end()

    with pytest.raises(ConfigurationError, match=f"{fails} failed"):
        await live()
    assert life.state is EngineState.ENDED
    assert all(task.cancelled() for task in tasks)
    assert not life.running


async def test_one_that_never_started_can_be_ended() -> None:
    """Whoever comes late does not start it."""
    engine = RtcEngine("app")
    await engine.destroy()
    with pytest.raises(ConfigurationError, match="destroyed"):
        await engine.create_channel(RtcOptions(channel_name="room")).connect()
    with pytest.raises(ConfigurationError, match="ended, not running"):
        await engine.accept({"type": "offer", "sdp": ""}, channel="room")


def test_every_state_is_reached_and_left() -> None:
    """There is a way out of each, and into each but the first."""
    assert set(MAY_FOLLOW) == set(EngineState)
    assert all(MAY_FOLLOW.values())
    reached = set().union(*MAY_FOLLOW.values())
    assert reached == set(EngineState) - {EngineState.NEW}
