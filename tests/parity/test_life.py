"""A session has a copy of its own, which starts once and is shut down once."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core import AudioFrame, CloseReason
from fastrtc_core.testing import tone

from ..webrtc.support import eventually, gone
from .agent import Agent
from .clients import Transport
from .server import serving


async def test_each_connection_gets_a_copy_of_its_own(transport: Transport) -> None:
    """What one client says reaches its own handler, and nobody runs the prototype."""
    async with serving(Agent(), transport) as server:
        one = await server.connect()
        two = await server.connect()
        assert one.agent is not two.agent
        await one.speak(tone(500, 0.2, one.speaks_at))
        await eventually(lambda: len(one.agent.frames) >= 8)
        assert two.agent.frames == []
    assert server.agent.calls == []


async def test_it_starts_before_the_first_frame_and_ends_after_the_last(
    transport: Transport,
) -> None:
    """Frames that come while `start_up` takes its time are delivered after it."""

    class Slow(Agent):
        async def start_up(self) -> None:
            await asyncio.sleep(0.1)
            await super().start_up()

    async with serving(Slow(), transport) as server:
        client = await server.connect()
        await client.speak(tone(500, 0.3, client.speaks_at))
        await eventually(lambda: client.agent.frames)
        await client.close()
        await gone(server.stream)
        assert client.agent.calls == ["start_up", "receive", "shutdown"]
        assert server.ended == [CloseReason.CLIENT]


async def test_a_start_up_that_fails_is_reported_and_the_session_goes_on(
    transport: Transport,
) -> None:
    """It is not tried again, frames are delivered, and `shutdown` runs once."""

    class Failing(Agent):
        async def start_up(self) -> None:
            await super().start_up()
            raise ValueError("no model")

    async with serving(Failing(), transport) as server:
        client = await server.connect()
        await client.is_told("error", "The server failed in start_up.")
        await client.speak(tone(500, 0.2, client.speaks_at))
        await eventually(lambda: client.agent.frames)
    assert client.agent.calls == ["start_up", "receive", "shutdown"]


async def test_a_shutdown_that_fails_stops_no_clean_up(transport: Transport) -> None:
    """It is called once, the hook hears of the end, and the slot is free."""

    class Failing(Agent):
        async def shutdown(self) -> None:
            await super().shutdown()
            raise ValueError("no disk")

    async with serving(Failing(), transport, concurrency_limit=1) as server:
        client = await server.connect()
        await eventually(lambda: client.agent.calls)
        await client.close()
        await gone(server.stream)
        assert client.agent.calls == ["start_up", "shutdown"]
        assert server.ended == [CloseReason.CLIENT]
        await server.connect()


@pytest.mark.usefixtures("soon_noticed")
@pytest.mark.parametrize("when", ["starting", "talking"])
async def test_a_client_that_vanishes_frees_its_slot(transport: Transport, when: str) -> None:
    """Without a word, in `start_up` or later: `shutdown` runs once, and the reason is `lost`."""

    class Endless(Agent):
        async def start_up(self) -> None:
            await super().start_up()
            if when == "starting":
                await asyncio.Event().wait()

    async with serving(Endless(), transport, concurrency_limit=1) as server:
        client = await server.connect()
        await eventually(lambda: client.agent.calls)
        if when == "talking":
            client.agent.emits(tone(500, 5.0, client.agent.output_sample_rate))
            await client.speak(tone(500, 0.1, client.speaks_at))
        await client.kill()
        await gone(server.stream)
        assert server.ended == [CloseReason.LOST]
        calls = client.agent.calls
        assert (calls[0], calls[-1]) == ("start_up", "shutdown")
        assert calls.count("start_up") == calls.count("shutdown") == 1
        await server.connect()


async def test_a_client_that_leaves_in_the_midst_of_a_call_ends_it(transport: Transport) -> None:
    """A `receive` that never returns is cancelled; `shutdown` still runs."""

    class Stuck(Agent):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            await asyncio.Event().wait()

    async with serving(Stuck(), transport) as server:
        client = await server.connect()
        await client.speak(tone(500, 0.1, client.speaks_at))
        await eventually(lambda: client.agent.frames)
        await client.close()
        await gone(server.stream)
        assert client.agent.calls == ["start_up", "receive", "shutdown"]
