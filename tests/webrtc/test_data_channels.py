"""Several data channels of one client, and those that it negotiated by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcsctptransport import WEBRTC_DCEP

from fastrtc_core import Stream

from .support import connected, eventually, gone, make_offer, raw_peer, take_answer
from .test_messages_over_webrtc import Answering


@asynccontextmanager
async def client() -> AsyncIterator[RTCPeerConnection]:
    """A client of a handler that answers, about to connect with the channels that it has made."""
    stream = Stream(Answering())
    async with raw_peer() as pc:
        private: Any = pc

        async def connect() -> None:
            await take_answer(pc, await stream.offer(await make_offer(pc)))
            await connected(pc)

        private.connect = connect
        yield pc
    await gone(stream)


def heard(channel: RTCDataChannel) -> list[str]:
    """What comes on a channel, as it comes."""
    texts: list[str] = []
    channel.on("message", texts.append)
    return texts


async def answered(channel: RTCDataChannel, text: str, texts: list[str]) -> None:
    """Ask on a channel, and wait for the answer on the one whose texts these are."""
    await eventually(lambda: channel.readyState == "open", "the channel")
    channel.send(f'{{"type": "message", "data": "{text}"}}')
    await eventually(lambda: any(text in heard for heard in texts), f"the answer to {text}")


async def test_the_answer_comes_on_the_channel_that_asked() -> None:
    """And once that is closed, on one that is open."""
    async with client() as pc:
        first, second = pc.createDataChannel("first"), pc.createDataChannel("second")
        on_first, on_second = heard(first), heard(second)
        await pc.connect()  # type: ignore[attr-defined]
        await answered(first, "one", on_first)
        await answered(second, "two", on_second)
        await answered(first, "three", on_first)
        assert not any("two" in text for text in on_first)
        first.close()
        await eventually(lambda: first.readyState == "closed", "the end of the first channel")
        await answered(second, "four", on_second)


async def test_a_channel_that_the_client_negotiated_is_answered() -> None:
    """It has id 0, and nobody opens it; the first message shows that it is there."""
    async with client() as pc:
        channel = pc.createDataChannel("text", negotiated=True, id=0)
        texts = heard(channel)
        await pc.connect()  # type: ignore[attr-defined]
        await answered(channel, "one", texts)


async def test_a_channel_is_open_before_the_client_acknowledges_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that holds the stream itself never does; what the server sends reaches it."""
    original = RTCSctpTransport._data_channel_receive
    texts: list[str] = []

    async def receive(self: Any, stream_id: int, pp_id: int, data: bytes) -> None:
        if self is pc.sctp and pp_id == WEBRTC_DCEP:
            return  # browsers leave out a request for a stream that is taken
        await original(self, stream_id, pp_id, data)

    async with client() as pc:
        channel = pc.createDataChannel("mine", negotiated=True, id=0)
        channel.on("message", texts.append)
        monkeypatch.setattr(RTCSctpTransport, "_data_channel_receive", receive)
        await pc.connect()  # type: ignore[attr-defined]
        await eventually(lambda: any("hello" in text for text in texts), "a message")
        await answered(channel, "one", texts)


async def test_bytes_go_both_ways_and_json_in_bytes_is_json() -> None:
    """A client that sends its JSON as bytes is understood; other bytes are bytes for both sides."""
    async with client() as pc:
        channel = pc.createDataChannel("text")
        texts: list[Any] = heard(channel)
        await pc.connect()  # type: ignore[attr-defined]
        await eventually(lambda: channel.readyState == "open", "the channel")
        channel.send(b'{"type": "message", "data": "as bytes"}')
        channel.send(b"\x00\xff{ no JSON")
        await eventually(lambda: b"\x00\xff{ no JSON" in texts, "the bytes")
        assert any("as bytes" in text for text in texts if isinstance(text, str))
