"""Who may connect, and for how long: one registry for all transports."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core import CloseReason, OfferError

from ..webrtc.support import eventually, gone
from .agent import Agent
from .clients import TRANSPORTS, Transport
from .server import serving

each_first = pytest.mark.parametrize("first", TRANSPORTS, ids=str)


@each_first
async def test_all_transports_share_one_limit(first: Transport) -> None:
    """With one session over any, the next is refused over each; when it is gone, each is served."""
    async with serving(Agent(), *TRANSPORTS, concurrency_limit=1) as server:
        client = await server.connect(first)
        for other in TRANSPORTS:
            with pytest.raises(OfferError) as refused:
                await server.connect(other)
            assert refused.value.code == "concurrency_limit_reached", other
            assert refused.value.meta == {"limit": 1}, other
        assert len(server.agent.copies) == len(server.begun) == 1
        await client.close()
        for other in TRANSPORTS:
            await gone(server.stream)
            await (await server.connect(other)).close()


@each_first
async def test_nobody_takes_the_id_of_another(first: Transport) -> None:
    """A taken id is refused over each transport, and its owner hears nothing of it."""
    async with serving(Agent(), *TRANSPORTS) as server:
        owner = await server.connect(first, **({"id": "mine"} if first.asks else {}))
        for other in TRANSPORTS:
            if other.asks:
                with pytest.raises(OfferError) as refused:
                    await server.connect(other, id=owner.id)
                assert refused.value.code == "connection_already_exists", other
            else:
                # A service names its stream and not a session: two calls of one name are two.
                assert (await server.connect(other)).id != owner.id
        await eventually(lambda: "start_up" in owner.agent.calls)
        assert owner.messages == []
        assert owner.agent.calls == ["start_up"]
        await owner.agent.send_message("still here")
        await owner.is_told("message", "still here")
        assert server.ended == []


async def test_an_id_that_cannot_be_is_refused(transport: Transport) -> None:
    """Over each transport that lets clients choose; the others issue one."""
    async with serving(Agent(), transport) as server:
        if transport.asks:
            with pytest.raises(OfferError) as refused:
                await server.connect(id="with space")
            assert refused.value.code == "malformed_offer"
            assert server.agent.copies == []
        else:
            assert len((await server.connect()).id) > 20


async def test_the_time_limit_ends_a_session_with_a_notice(transport: Transport) -> None:
    """Half of a short limit before, and with the reason in the end."""
    async with serving(Agent(), transport, time_limit=0.6) as server:
        client = await server.connect()
        start = asyncio.get_running_loop().time()
        await asyncio.wait_for(client.ended(), 5)
        assert asyncio.get_running_loop().time() - start > 0.5
        await client.is_told("warning", "The session ends in 0.3 s.")
        await client.is_told("closing", "time_limit")
        await gone(server.stream)
        assert server.ended == [CloseReason.TIME_LIMIT]
        assert client.agent.calls == ["start_up", "shutdown"]


async def test_a_drain_ends_every_session_and_takes_no_more(transport: Transport) -> None:
    """It returns when `shutdown` has run; whoever comes then is told to come again."""

    class Slow(Agent):
        async def shutdown(self) -> None:
            await asyncio.sleep(0.1)
            await super().shutdown()

    async with serving(Slow(), transport) as server:
        clients = [await server.connect() for _ in range(2)]
        await eventually(lambda: all(client.agent.calls for client in clients))
        await server.stream.drain(5)
        assert server.stream.sessions == 0
        assert server.ended == [CloseReason.DRAIN] * 2
        for client in clients:
            assert client.agent.calls == ["start_up", "shutdown"]
            await asyncio.wait_for(client.ended(), 5)
            await client.is_told("closing", "drain")
        with pytest.raises(OfferError) as refused:
            await server.connect()
        assert refused.value.code == "unavailable"


async def test_the_application_ends_one_session(transport: Transport) -> None:
    """`Stream.close`, from any thread; the other goes on."""
    async with serving(Agent(), transport) as server:
        one = await server.connect()
        two = await server.connect()
        await asyncio.to_thread(server.stream.close, one.id)
        await asyncio.wait_for(one.ended(), 5)
        await one.is_told("closing", "closed")
        await eventually(lambda: server.ended == [CloseReason.CLOSED])
        await two.agent.send_message("still here")
        await two.is_told("message", "still here")


async def test_an_output_stream_ends_with_its_session(transport: Transport) -> None:
    """After the last of the outputs, however the session ends."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        outputs = server.stream.output_stream(client.id)
        client.agent.publish(1)
        client.agent.publish(2)
        await asyncio.sleep(0.05)
        await client.close()
        assert [output.args async for output in outputs] == [(1,), (2,)]
