"""Binary messages: what is JSON is read as such, the rest is bytes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fastrtc_core.errors import MessageError
from fastrtc_core.messages import (
    MAX_MESSAGE_BYTES,
    Message,
    as_message_text,
    parse_client_message,
    parse_server_message,
)
from fastrtc_core.session import postbox as boxes
from fastrtc_core.session.inbox import CAPACITY_BYTES
from fastrtc_core.session.postbox import Postbox
from fastrtc_core.testing import connect, run_handler

from ..parity.agent import Agent
from ..webrtc.support import eventually


class Texts:
    """A channel that takes text alone."""

    raw: Any = None
    asks = False

    def __init__(self) -> None:
        self.posted: list[str | bytes] = []

    def post(self, text: str) -> None:
        self.posted.append(text)

    async def drain(self) -> None:
        """There is always room."""


class Both(Texts):
    """One that takes bytes, too."""

    def post_bytes(self, data: bytes) -> None:
        self.posted.append(data)


def test_json_in_bytes_is_read_as_json_and_other_bytes_are_bytes() -> None:
    """A type that is not known is an error in bytes, too."""
    for text in (b' {"type": "message", "data": 1}', b'{"type": "message", "data": 1}\n'):
        assert parse_client_message(text) == Message("message", 1)
    for data in (b"", b"\xff\x00", b"12", b"{", b"{\xff}", b"[]", '{"a": 1}'.encode("utf-16-le")):
        assert parse_client_message(data) == Message("message", data)
    with pytest.raises(MessageError, match="unknown message type"):
        parse_client_message(b'{"type": "other"}')
    with pytest.raises(MessageError, match="larger"):
        parse_client_message(bytes(MAX_MESSAGE_BYTES + 1))


def test_bytes_of_a_server_are_bytes_whatever_they_hold() -> None:
    """What a handler sends as bytes arrives as such: a server's own messages are text."""
    data = json.dumps({"type": "mine"}).encode()
    assert parse_server_message(data) == Message("message", data)
    for value in (data, bytearray(data), memoryview(data), memoryview(data + data)[::2]):
        sent = as_message_text(value)
        assert type(sent) is bytes
        assert sent == bytes(value)


async def test_bytes_are_sent_where_the_transport_has_binary_messages() -> None:
    """Early ones as well; another transport refuses them in words."""
    both, texts = Both(), Texts()
    postbox = Postbox("s")
    await postbox.send(b"early")
    postbox.open(both)
    await postbox.send(b"\x00")
    assert both.posted == [b"early", b"\x00"]
    postbox.open(texts)
    with pytest.raises(MessageError, match="no binary messages"):
        await postbox.send(b"\x00")
    assert texts.posted == []


async def test_what_waits_for_the_channel_is_bounded_in_bytes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The oldest are dropped, and counted; the newest one stays, whatever its size."""
    postbox, both = Postbox("s"), Both()
    large = bytes(boxes.EARLY_BYTES // 4)
    for number in range(8):
        await postbox.send(bytes([number]) + large)
    assert postbox.dropped == 5
    postbox.open(both)
    assert [sent[0] for sent in both.posted] == [5, 6, 7]
    assert "5 early messages are lost" in caplog.text
    another = Postbox("s")
    for size in (10, boxes.EARLY_BYTES + 1):
        await another.send(bytes(size))
    assert another.dropped == 1
    for number in range(boxes.EARLY_MESSAGES):
        await another.send(number)
    assert another.dropped == 2


async def test_binary_messages_in_process() -> None:
    """Both ways, as over a wire; `run_handler` sends and shows them, too."""
    async with connect(Agent()) as peer:
        peer.send(b"\x00\x01")
        peer.send(bytearray(b'{"type": "message", "data": "json"}'))
        agent = peer.session.handler
        assert isinstance(agent, Agent)
        await eventually(lambda: agent.messages == [b"\x00\x01", "json"])
        await peer.session.handler.send_message(memoryview(b"back"))
        assert peer.of_type("message") == [b"back"]


def test_run_handler_sends_bytes() -> None:
    """And what the handler sends as bytes is among its messages."""

    class Answering(Agent):
        async def on_message(self, message: Any) -> None:
            await self.send_message(message[::-1])

    result = run_handler(Answering(), messages=[b"\x00\x01"], tail=0.1)
    assert result.messages == [Message("message", b"\x01\x00")]


async def test_bytes_that_wait_for_a_slow_handler_are_bounded() -> None:
    """As text is; the client is told once."""

    class Slow(Agent):
        async def on_message(self, message: Any) -> None:
            await asyncio.sleep(3600)

    async with connect(Slow()) as peer:
        for _ in range(2 * CAPACITY_BYTES // MAX_MESSAGE_BYTES):
            peer.send(bytes(MAX_MESSAGE_BYTES))
        assert (
            peer.session.snapshot().dropped["messages"] >= CAPACITY_BYTES // MAX_MESSAGE_BYTES - 1
        )
        assert len(peer.of_type("warning")) == 1


async def test_an_error_that_the_client_cannot_take_ends_nothing() -> None:
    """A client that takes small messages alone misses it, and the session goes on."""

    class Small(Both):
        def post(self, text: str) -> None:
            if len(text) > 40:
                raise MessageError("too large")
            super().post(text)

    async with connect(Agent(), open_channel=False) as peer:
        small = Small()
        peer.session.open_channel(small)
        peer.session.take_message("no JSON " * 10)
        peer.session.take_message('{"type": "message", "data": 1}')
        await peer.session.handler.send_message(1)
        assert small.posted == ['{"type": "message", "data": 1}']
