"""Messages go both ways; a telephone has keys one way, and nothing the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core.errors import MessageError
from fastrtc_core.messages import MAX_MESSAGE_BYTES

from ..webrtc.support import eventually
from .agent import Agent
from .clients import Transport
from .server import serving

VALUES: list[Any] = [{"a": [1, 2.5, None, True]}, "grüße \u2603", [], 0, None]


async def test_what_a_client_sends_reaches_its_handler_in_order(transport: Transport) -> None:
    """Any JSON value to `on_message`, or keys to `on_dtmf`; to no other session."""
    async with serving(Agent(), transport) as server:
        one = await server.connect()
        two = await server.connect()
        if transport.messages:
            for value in VALUES:
                await one.send(value)
            await eventually(lambda: len(one.agent.messages) == len(VALUES))
            assert one.agent.messages == VALUES
        else:
            for digit in "0123456789*#":
                await one.press(digit)
            await eventually(lambda: len(one.agent.keys) == 12)
            assert "".join(one.agent.keys) == "0123456789*#"
        assert two.agent.messages == two.agent.keys == []


async def test_what_a_handler_sends_reaches_its_client_in_order(transport: Transport) -> None:
    """From coroutines and from threads; whoever takes none is spared it, and no error is raised."""
    async with serving(Agent(), transport) as server:
        one = await server.connect()
        two = await server.connect()
        for value in VALUES:
            await one.agent.send_message(value)
        await asyncio.to_thread(one.agent.send_message_sync, "from a thread")
        await one.is_told("message", *VALUES, "from a thread")
        await two.is_told("message")


async def test_bytes_go_both_ways(transport: Transport) -> None:
    """Whatever they hold, in order with texts; JSON that comes as bytes is read as JSON."""
    pieces: list[Any] = [b"\x00\xff\x80", "text", b"", bytes(range(256)) * 250, b"{", b"[1]"]
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        for piece in pieces:
            await client.agent.send_message(piece)
        await client.agent.send_message(b'{"json": 1}')
        await client.is_told("message", *pieces, b'{"json": 1}')
        if not transport.messages:
            return
        for piece in (*pieces, b'{"type": "message", "data": ["as bytes"]}\n'):
            await client.send(piece)
        await eventually(lambda: len(client.agent.messages) == len(pieces) + 1)
        assert client.agent.messages == [*pieces, ["as bytes"]]


async def test_bytes_that_are_too_many_are_refused_in_words(transport: Transport) -> None:
    """To the handler, which sends them, and to the client; the session goes on."""
    if not transport.messages:
        return
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        if transport.on_network:
            with pytest.raises(MessageError, match="262145 bytes is larger"):
                await client.agent.send_message(bytes((1 << 18) + 1))
        refusal = "the message is larger than 65536 bytes"
        if transport.name == "webrtc":  # our client knows what the server takes
            with pytest.raises(MessageError, match=refusal):
                await client.send(bytes(MAX_MESSAGE_BYTES + 1))
        else:
            await client.send(bytes(MAX_MESSAGE_BYTES + 1))
            await client.is_told("error", refusal)
        await client.send(b"still here")
        await eventually(lambda: client.agent.messages == [b"still here"])


async def test_messages_of_the_protocol_are_sent_as_they_are(transport: Transport) -> None:
    """A `dict` of a known type and its data is no value to be wrapped."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        await client.agent.send_message({"type": "log", "data": "pause_detected"})
        await client.agent.send_message({"type": "of my own"})
        await client.is_told("message", {"type": "of my own"})
        await client.is_told("log", "pause_detected")


async def test_a_message_may_come_before_the_first_sound(transport: Transport) -> None:
    """What `start_up` sends is not lost, however the channel is opened."""

    class Greeting(Agent):
        async def start_up(self) -> None:
            await self.send_message("welcome")

    async with serving(Greeting(), transport) as server:
        client = await server.connect()
        await client.is_told("message", "welcome")


async def test_a_message_that_cannot_be_handled_is_reported(transport: Transport) -> None:
    """An exception in `on_message` or `on_dtmf` loses that one alone."""

    class Picky(Agent):
        async def on_message(self, message: Any) -> None:
            await super().on_message(message)
            if message == 1:
                raise ValueError("not this one")

        async def on_dtmf(self, digit: str) -> None:
            await super().on_dtmf(digit)
            if digit == "1":
                raise ValueError("not this one")

    async with serving(Picky(), transport) as server:
        client = await server.connect()
        for number in (1, 2):
            await (client.send(number) if transport.messages else client.press(str(number)))
        await eventually(lambda: len(client.agent.messages) + len(client.agent.keys) == 2)
        await client.is_told("error", "The server failed in on_message.")
