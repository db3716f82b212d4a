"""What a handler raises ends its own session at most, and says so, on every transport."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from fastrtc_core import AudioFrame, CloseReason, HandlerError
from fastrtc_core.session import session as session_module
from fastrtc_core.testing import tone

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Transport
from .server import serving


async def test_start_up_refuses_with_a_handler_error(transport: Transport) -> None:
    """The client gets the text, no frame is delivered, and `shutdown` runs once."""

    class Refusing(Agent):
        async def start_up(self) -> None:
            await super().start_up()
            raise HandlerError("Tell us your name first.")

    async with serving(Refusing(), transport) as server:
        client = await server.connect()
        await client.is_told("error", "Tell us your name first.")
        await client.ended()
        await eventually(lambda: server.ended)
        assert server.ended == [CloseReason.REFUSED]
        assert client.agent.calls == ["start_up", "shutdown"]
        await client.is_told("closing", "refused")


async def test_an_exit_ends_one_session(transport: Transport) -> None:
    """`sys.exit()` in `receive`: the client is told, the server and the others go on."""

    class Leaving(Agent):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            if self.leaves:
                sys.exit("no model")

        leaves = False

    async with serving(Leaving(), transport) as server:
        client = await server.connect()
        other = await server.connect()
        assert isinstance(client.agent, Leaving)
        client.agent.leaves = True
        with suppress(ConnectionClosed):  # the server is faster than the sound is long
            await client.speak(tone(500, 0.06, client.speaks_at))
        await client.is_told("error", "The server failed in receive.")
        await client.ended()
        await eventually(lambda: server.ended)
        assert server.ended == [CloseReason.ERROR]
        assert len(client.agent.frames) == 1
        await other.speak(tone(500, 0.2, other.speaks_at))
        await eventually(lambda: len(other.agent.frames) >= 8)
        await server.connect()


async def test_a_start_up_that_lasts_keeps_nobody_deaf(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames go both ways beside it, the client is warned once, and it ends with the session."""
    monkeypatch.setattr(session_module, "SLOW_START", 0.1)

    class Endless(Agent):
        async def start_up(self) -> None:
            await super().start_up()
            try:
                await asyncio.Event().wait()
            finally:
                self.calls.append("start_up ended")

    async with serving(Endless(output_sample_rate=24000), transport) as server:
        client = await server.connect()
        await client.speak(tone(500, 0.3, client.speaks_at))
        await eventually(lambda: client.agent.frames)
        client.agent.emits(tone(1000, 0.2, 24000))
        await client.hears(0.18)
        await client.is_told("warning", "The server is still starting; it may not answer yet.")
    assert client.agent.calls == ["start_up", "receive", "start_up ended", "shutdown"]
