"""What a client may have waiting here, and that the server says where it cannot count it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn
from websockets.asyncio.client import connect

from fastrtc_core import Stream
from fastrtc_core.context import Caller
from fastrtc_core.realtime.conversation import ITEM_BYTES, Conversation
from fastrtc_core.realtime.visit import RealtimeVisit
from fastrtc_core.session.inbox import CAPACITY_BYTES, Inbox
from fastrtc_core.session.reports import Reporter
from fastrtc_core.telephone.visit import CallVisit
from fastrtc_core.websocket import compression, connection
from fastrtc_core.websocket.outbox import MAX_WAITING
from fastrtc_core.websocket.socket import DisconnectedError

from ..inside import serve_socket
from ..webrtc.support import Silent, app_of, eventually, serving


class Line:
    """A socket without a network; `reads` says whether its client takes what it is sent."""

    def __init__(self, *messages: str, reads: bool = True) -> None:
        self.headers: Mapping[str, str] = {}
        self.query: Mapping[str, str] = {}
        self.incoming: asyncio.Queue[str | None] = asyncio.Queue()
        for message in messages:
            self.incoming.put_nowait(message)
        self.sent: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self._reads = reads

    async def receive(self) -> str | bytes:
        message = await self.incoming.get()
        if message is None:
            raise DisconnectedError
        return message

    async def send(self, data: str | bytes) -> None:
        if not self._reads:
            await asyncio.get_running_loop().create_future()
        self.sent.append(data)

    async def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)


def unexpected(value: Any) -> None:
    pytest.fail(f"nobody sent {value}")


def test_messages_for_a_slow_handler_are_bounded_in_bytes() -> None:
    """The oldest are dropped, and counted; one alone is always kept."""
    told: list[str] = []
    reporter = SimpleNamespace(tell=lambda kind, text: told.append(kind))
    inbox = Inbox(cast(Reporter, reporter), unexpected, unexpected, lambda: None)
    text = json.dumps({"type": "message", "data": "x" * 60_000})
    for _ in range(200):
        inbox.put(text)
    kept = inbox.waiting
    assert kept == CAPACITY_BYTES // len(text)
    assert inbox.dropped == 200 - kept
    assert told == ["warning"]


@pytest.mark.virtual_clock
async def test_whoever_asks_and_does_not_read_is_let_go() -> None:
    """Answers wait up to a megabyte."""
    stream = Stream(Silent())
    start = json.dumps({"event": "start", "encoding": "pcm16"})
    line = Line(start, *['{"event": "ping"}'] * 3000, reads=False)
    serving = asyncio.create_task(serve_socket(stream, line))
    for _ in range(200):
        await asyncio.sleep(1)
        if line.closed:
            break
        for _ in range(900):
            line.incoming.put_nowait('{"event": "ping"}')
    assert line.closed == (1008, "asks for more than it reads")
    assert MAX_WAITING <= 1 << 20
    await serving


@pytest.mark.virtual_clock
async def test_commands_that_wait_for_audio_are_bounded_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client is told to slow down."""
    waiting: list[int] = []

    async def stuck(self: connection.Connection) -> None:
        while True:
            waiting.append(self._later_bytes)
            await asyncio.sleep(0.01)

    monkeypatch.setattr(connection.Connection, "_catch_up", stuck)
    item = {"type": "function_call_output", "call_id": "1", "output": "x" * 60_000}
    create = json.dumps({"type": "conversation.item.create", "item": item})
    line = Line(*[create] * 30)
    serving = asyncio.create_task(serve_socket(Stream(Silent()), line, visit=RealtimeVisit()))
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if any("slow down" in str(text) for text in line.sent):
            break
    line.incoming.put_nowait(None)
    await serving
    assert 0 < max(waiting) < connection.MAX_LATER_BYTES + 70_000
    assert any("slow down" in str(text) for text in line.sent)


def test_remembered_items_are_bounded_in_bytes() -> None:
    """The oldest are forgotten."""
    conversation = Conversation()
    for number in range(30):
        conversation.add_item({"id": f"i{number}", "content": "x" * 300_000})
    kept = [number for number in range(30) if conversation.item(f"i{number}")]
    assert kept == list(range(30 - ITEM_BYTES // 300_000, 30))
    conversation.add_item({"id": "huge", "content": "x" * ITEM_BYTES})
    assert conversation.item("huge") is None


async def test_a_call_begins_after_one_connected() -> None:
    """A stranger does not keep the server busy with them."""
    line = Line(*['{"event": "connected"}'] * 3)
    await serve_socket(Stream(Silent()), line, visit=CallVisit())
    assert line.closed is not None
    assert line.closed[0] == 1008


async def test_sockets_that_say_nothing_count_by_address() -> None:
    """Until they say `start`; others are not kept out."""
    stream = Stream(Silent(), connecting_per_address=1)
    silent = Line()
    serving = asyncio.create_task(serve_socket(stream, silent, Caller(address="10.0.0.1")))
    await eventually(lambda: stream.snapshot().entering == 1)
    refused = Line()
    await serve_socket(stream, refused, Caller(address="10.0.0.1"))
    assert refused.closed == (1013, "concurrency_limit_reached")
    assert stream.sessions == 0
    silent.incoming.put_nowait('{"event": "start"}')
    await eventually(lambda: stream.sessions == 1)
    assert stream.snapshot().entering == 0, "who is in counts no longer"
    silent.incoming.put_nowait(None)
    await serving


@pytest.mark.parametrize("deflate", [True, False])
async def test_compression_is_warned_of_once(
    deflate: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where uvicorn takes it: each client offers it, and it unpacks before anybody counts."""
    monkeypatch.setattr(compression, "_warned", False)
    configured = partial(uvicorn.Config, ws_per_message_deflate=deflate)
    monkeypatch.setattr(uvicorn, "Config", configured)
    async with serving(app_of(Stream(Silent()))) as url:
        for _ in range(2):
            async with connect(url.replace("http", "ws", 1) + "/websocket/offer") as socket:
                await socket.send('{"event": "nonsense"}')
                await socket.wait_closed()
    warnings = [text for text in caplog.messages if "ws_per_message_deflate=False" in text]
    assert len(warnings) == int(deflate)
