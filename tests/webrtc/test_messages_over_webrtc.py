"""The data channel, from either side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import MessageError, Stream
from fastrtc_core.client import Client
from fastrtc_core.client.client import MESSAGE_BYTES
from fastrtc_core.messages import MAX_MESSAGE_BYTES
from fastrtc_core.webrtc import peer
from fastrtc_core.webrtc.datachannel import HIGH_WATER, MAX_BYTES

from ..inside import channel_of, session_of
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
        channel: Any = channel_of(client)
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


@pytest.mark.parametrize(
    ("said", "takes"), [("a=max-message-size:1200\r\n", 1200), ("", 65_536), ("0", MAX_BYTES)]
)
async def test_the_size_that_the_client_takes_holds(said: str, takes: int) -> None:
    """Nothing said is 64 KiB, and 0 is any size (RFC 8841 section 6.1); text and bytes alike."""
    handler = Answering()
    stream = Stream(handler)
    async with raw_peer() as pc:
        got: list[Any] = []
        channel = pc.createDataChannel("text")
        channel.on("message", got.append)
        offer = await make_offer(pc)
        line = "a=max-message-size:262144\r\n"
        assert line in offer["sdp"]
        said = "a=max-message-size:0\r\n" if said == "0" else said
        offer["sdp"] = offer["sdp"].replace(line, said)
        answer = await stream.offer(offer)
        await take_answer(pc, answer)
        await connected(pc)
        await eventually(lambda: got, "the greeting")
        session = session_of(stream, answer["webrtc_id"])
        for value in (bytes(takes + 1), "x" * takes):
            with pytest.raises(MessageError, match=rf"large.*\b{takes}\b"):
                await session.handler.send_message(value)
        await session.handler.send_message(bytes(takes))
        await session.handler.send_message("the end")
        await eventually(lambda: "the end" in got[-1], "the last word")
        assert [len(one) for one in got if isinstance(one, bytes)] == [takes]
    await gone(stream)


async def test_the_python_client_sends_and_gets_bytes() -> None:
    """As they are, whatever they hold; what the server would not take is not sent."""
    stream = Stream(Answering())
    async with Client(stream.offer, modality=None) as client:
        assert await message_of_type(client, "message") == "hello"
        for data in (b"\x00\xff", bytearray(b"ab"), memoryview(b'[{"a": 1}]'), b""):
            await client.send(data)
            assert await message_of_type(client, "message") == bytes(data)
        for value in (bytes(MAX_MESSAGE_BYTES + 1), "x" * MAX_MESSAGE_BYTES):
            with pytest.raises(MessageError, match="larger than 65536 bytes"):
                await client.send(value)
        client.take_message("no JSON")
        large = bytes(MESSAGE_BYTES // 4)
        for _ in range(8):
            client.take_message(large)
        assert client.messages_dropped == 1 + 4
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
