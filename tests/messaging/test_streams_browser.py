"""Streams to and from members over WebRTC, as packets on the wire."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fastrtc_core import StreamError
from fastrtc_core.channel import (
    ByteStreamReader,
    Permission,
    RtcEngine,
    RtcOptions,
    TextStreamInfo,
    build_token,
)
from fastrtc_core.client import Client
from fastrtc_core.messaging.streams.packets import (
    Ack,
    Chunk,
    Header,
    Packet,
    Refusal,
    Trailer,
    decode,
    encode,
)
from fastrtc_core.room import browser_member

from ..room.test_browser_member import SECRET, events, join
from ..webrtc.support import eventually

HEADER = Header("s", TextStreamInfo(stream_id="s"))


def packets(client: Client) -> list[Packet]:
    """What a client was sent of streams."""
    return [decode(data["data"]) for data in events(client, "data_stream")]


async def send(client: Client, to: Any, *sent: Packet) -> None:
    for packet in sent:
        await client.send({"event": "data_stream", "to": to, "data": encode(packet)})


async def test_a_browser_sends_and_is_sent_streams() -> None:
    """A member of this process reads it and answers, and the other way round."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        desk = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await desk.connect()
        got: asyncio.Queue[bytes | str] = asyncio.Queue()

        async def read(reader: ByteStreamReader, uid: int) -> None:
            got.put_nowait(await reader.read_all())

        desk.register_text_stream_handler("", read)
        browser = await join(stack, engine.accept, uid=1)
        await send(browser, 9, HEADER, Chunk("s", 0, "hello"), Trailer("s", ""))
        assert await got.get() == "hello"
        await eventually(lambda: packets(browser) == [Ack("s", 1)], "the ack")

        sending = asyncio.create_task(desk.send_text("x" * 20_000, to=1, timeout=5))
        await eventually(lambda: len(packets(browser)) == 5, "its end")
        header, first, second, trailer = packets(browser)[1:]
        assert isinstance(header, Header)
        assert isinstance(first, Chunk)
        assert isinstance(second, Chunk)
        assert isinstance(trailer, Trailer)
        assert first.content + second.content == "x" * 20_000
        assert not sending.done()
        await send(browser, 9, Ack(header.stream, 2))
        assert await sending == header.info

        # More than is taken is held back, and the connection stands.
        writing = asyncio.create_task(desk.send_text("x" * 2_000_000, to=1, timeout=60))
        await asyncio.sleep(0.5)
        assert len(packets(browser)) < 5 + 1 + 6
        await send(browser, 9, Refusal(packets(browser)[5].stream, "enough"))
        with pytest.raises(StreamError, match="user 1: enough"):
            await writing
        await desk.send_chat_message("still there?")
        await eventually(lambda: events(browser, "chat_message"), "the next message")


async def test_what_cannot_be_carried_is_refused() -> None:
    """Who is not there, and a token that does not allow it; answers go through."""
    async with RtcEngine("app", SECRET) as engine, AsyncExitStack() as stack:
        allowed: dict[int, Permission] = {1: "publish_messages", 2: "subscribe"}
        tokens = {
            uid: build_token(
                "app", SECRET, channel="room", uid=uid, ttl=60, permissions=[permission]
            )
            for uid, permission in allowed.items()
        }
        writer, silent = [
            await join(stack, engine.accept, uid=uid, token=token) for uid, token in tokens.items()
        ]
        await send(writer, 7, HEADER, Ack("s", 1))
        await eventually(
            lambda: packets(writer) == [Refusal("s", "there is no other user 7")], "the refusal"
        )
        await send(silent, 1, HEADER, Ack("s", 1))
        await eventually(
            lambda: packets(silent) == [Refusal("s", "the token does not allow sending messages")],
            "the refusal",
        )
        assert len(packets(writer)) == 1
        await send(writer, 2, HEADER)
        await eventually(lambda: packets(silent)[1:] == [HEADER], "the header")
        await send(silent, 1, Ack("s", 0))
        await eventually(lambda: packets(writer)[1:] == [Ack("s", 0)], "the answer")
        await send(writer, "2", HEADER)
        await eventually(
            lambda: any(message.type == "error" for message in writer.__dict__["told"]), "an error"
        )


async def test_a_flood_of_bytes_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams have a budget of bytes, not of messages; beyond it packets are lost."""
    monkeypatch.setattr(browser_member, "BYTES_BURST", 400_000.0)  # less than this client can send
    monkeypatch.setattr(browser_member, "BYTES", 10_000.0)
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        one = await join(stack, engine.accept, uid=1)
        other = await join(stack, engine.accept, uid=2)
        for number in range(300):
            await send(one, 2, Chunk("s", number, "x" * 10))
        await eventually(lambda: len(packets(other)) == 300, "more than messages may be")
        for number in range(40):
            await send(one, 2, Chunk("s", number, "x" * 14_000))
        await eventually(
            lambda: any("bytes a second" in str(m.data) for m in one.__dict__["told"]), "the word"
        )
        await asyncio.sleep(0.5)
        await one.send({"event": "chat_message", "data": "still here"})
        await eventually(lambda: events(other, "chat_message"), "the next message")
        assert 300 < len(packets(other)) < 340
