"""What a handler knows of its client: who it is, how it came, and what it brought."""

from __future__ import annotations

from typing import Any

from fastrtc_core import get_current_context

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Transport
from .server import serving


async def test_the_context_names_the_session_and_its_transport(transport: Transport) -> None:
    """In `start_up` already; with the headers of the request where there was one."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        await eventually(lambda: client.agent.context)
        context = client.agent.context
        assert context is not None
        assert context.transport == transport.name
        assert context.webrtc_id == client.id
        assert ("host" in context.headers) == transport.headers
        assert client.agent.phone_mode == (transport.name == "telephone")


async def test_the_context_is_there_in_copy(transport: Transport) -> None:
    """So that a prototype can make its copies to the measure of their clients."""
    seen: list[str] = []

    class Noting(Agent):
        def copy(self) -> Agent:
            seen.append(get_current_context().webrtc_id)
            made = super().copy()
            assert isinstance(made, Agent)
            return made

    async with serving(Noting(), transport) as server:
        client = await server.connect()
        assert seen == [client.id]


async def test_params_are_those_that_the_client_brought(transport: Transport) -> None:
    """A telephone service tells of the call instead."""
    async with serving(Agent(), transport) as server:
        client = await server.connect(params={"room": [7, None]})
        await eventually(lambda: client.agent.context)
        assert client.agent.context is not None
        params = client.agent.context.params
        if transport.asks:
            assert params == {"room": [7, None]}
        else:
            assert (params["service"], params["call_id"]) == ("twilio", "CA1")
            assert params["call"]["customParameters"] == {"who": "ada"}


async def test_arguments_are_there_in_start_up(transport: Transport) -> None:
    """Those that came with the offer; a caller has none, and nobody waits for them."""
    seen: list[Any] = []

    class Asking(Agent):
        async def start_up(self) -> None:
            await self.wait_for_args()
            seen.append(self.args)

    async with serving(Asking(), transport) as server:
        await server.connect(args=[1, "two"])
        await eventually(lambda: seen)
        assert seen == [(1, "two") if transport.asks else ()]


async def test_the_application_hands_a_session_its_arguments(transport: Transport) -> None:
    """`set_input` reaches that session, and no other."""
    async with serving(Agent(), transport) as server:
        one = await server.connect()
        two = await server.connect()
        server.stream.set_input(two.id, "alto", 0.7)
        await two.agent.args_set.wait()
        assert (one.agent.args, two.agent.args) == ((), ("alto", 0.7))


async def test_who_brought_no_arguments_is_asked_for_them(transport: Transport) -> None:
    """With a message; whoever takes no messages is not waited for."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        waiting = client.agent.create_task(client.agent.wait_for_args())
        await client.is_told("send_input", [])
        server.stream.set_input(client.id, 5)
        await waiting
        assert client.agent.args == (5,)


async def test_inputs_are_asked_for_anew(transport: Transport) -> None:
    """As often as the handler wants; whoever cannot answer is not waited for."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        for number in (1, 2):
            refreshing = client.agent.create_task(client.agent.refresh_args())
            if transport.messages:
                await client.is_told("send_input", *[[]] * number)
                server.stream.set_input(client.id, number)
            await refreshing
            assert client.agent.args == ((number,) if transport.messages else ())
