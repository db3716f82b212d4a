"""The data channel, from either side."""

from __future__ import annotations

import asyncio
from typing import Any

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.webrtc import peer
from fastrtc_core.webrtc.datachannel import HIGH_WATER, MAX_BYTES

from .support import (
    Silent,
    connected,
    eventually,
    gone,
    make_offer,
    message_of_type,
    raw_peer,
    take_answer,
)


class Answering(Silent):
    """Greets in `start_up`, and answers every message."""

    async def start_up(self) -> None:
        await self.send_message("hello")

    async def on_message(self, message: Any) -> None:
        await self.send_message(message)


async def test_an_offer_with_a_data_channel_alone_is_a_session_of_messages() -> None:
    """Messages both ways, and what was sent before the channel opened."""
    stream = Stream(Answering())
    async with Client(stream.offer, modality=None) as client:
        assert await message_of_type(client, "message") == "hello"
        await client.send({"any": ["json", 1, None]})
        assert await message_of_type(client, "message") == {"any": ["json", 1, None]}
    await gone(stream)


async def test_many_large_messages_arrive_in_order() -> None:
    """200 messages of 32 KB each way; the sender is held back, not its memory filled."""
    stream = Stream(Answering())
    text = "x" * 32_000
    async with Client(stream.offer, modality=None) as client:
        assert await message_of_type(client, "message") == "hello"
        channel: Any = client._channel
        most = 0

        async def send() -> None:
            nonlocal most
            for number in range(200):
                await client.send([number, text])
                most = max(most, channel.raw.bufferedAmount)

        sending = asyncio.create_task(send())
        got = [(await message_of_type(client, "message", within=30))[0] for _ in range(200)]
        await sending
        assert got == list(range(200))
        assert most <= HIGH_WATER
    await gone(stream)


async def test_a_message_that_is_too_large_is_an_error_of_its_sender() -> None:
    """The handler hears of it, and the session goes on."""

    class Boasting(Silent):
        async def on_message(self, message: Any) -> None:
            await self.send_message("x" * MAX_BYTES)

    stream = Stream(Boasting())
    async with Client(stream.offer, modality=None) as client:
        await client.send("go")
        assert "on_message" in await message_of_type(client, "error")
    await gone(stream)


async def test_the_server_opens_the_channel_where_the_client_leaves_it_to_it(
    monkeypatch: Any,
) -> None:
    """A client that negotiates SCTP, but opens no channel of its own."""
    monkeypatch.setattr(peer, "CHANNEL_GRACE", 0.1)
    handler = Answering()
    stream = Stream(handler)
    async with raw_peer() as pc:
        negotiated = pc.createDataChannel("unused", negotiated=True, id=100)
        assert negotiated is not None
        channels: list[Any] = []
        texts: list[Any] = []

        @pc.on("datachannel")
        def on_channel(channel: Any) -> None:
            channels.append(channel)
            channel.on("message", texts.append)

        await take_answer(pc, await stream.offer(await make_offer(pc)))
        await connected(pc)
        await eventually(lambda: texts, "the greeting")
        assert '"hello"' in texts[0]
        channels[0].send('{"type": "message", "data": 5}')
        await eventually(lambda: len(texts) == 2, "the answer")
    await gone(stream)
