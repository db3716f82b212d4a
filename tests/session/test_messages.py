"""The message channel as a handler uses it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from fastrtc_core import (
    ChannelClosedError,
    MessageError,
    StreamHandler,
    send_status,
    send_transcript,
    send_warning,
)
from fastrtc_core.testing import InProcessPeer, connect, tone

from .handlers import Recording


class Listening(Recording):
    """Keeps the messages of the client."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.heard: list[Any] = []

    async def on_message(self, message: Any) -> None:
        if message == "fail":
            raise ValueError("in on_message")
        self.heard.append(message)


def handler_of(peer: InProcessPeer) -> Listening:
    handler = peer.session.handler
    assert isinstance(handler, Listening)
    return handler


@pytest.mark.virtual_clock
async def test_messages_of_the_client_reach_on_message_in_order() -> None:
    """Any JSON value arrives as it was sent."""
    values: list[Any] = ["text", 1, 2.5, None, True, [1, {"a": "ü"}], {"type": "x"}]
    async with connect(Listening()) as peer:
        for value in values:
            peer.send(value)
        await asyncio.sleep(0.1)
        assert handler_of(peer).heard == values


@pytest.mark.virtual_clock
async def test_on_message_that_raises_loses_one_message() -> None:
    """The client gets an error, and the next message is delivered."""
    async with connect(Listening()) as peer:
        for value in ("a", "fail", "b"):
            peer.send(value)
        await asyncio.sleep(0.1)
        assert handler_of(peer).heard == ["a", "b"]
        assert peer.of_type("error") == ["The server failed in on_message."]


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1]",
        '{"data": 1}',
        '{"type": "unknown"}',
        '{"type": "send_input", "data": 1}',
        '{"type": "message", "data": "' + "x" * 70_000 + '"}',
        b'{"type": "unknown"}',
    ],
)
async def test_what_cannot_be_read_is_answered_and_counted(text: str | bytes) -> None:
    """A malformed message is never echoed, and the session goes on."""
    async with connect(Listening()) as peer:
        peer.session.take_message(text)
        peer.send("next")
        await asyncio.sleep(0.1)
        errors = peer.of_type("error")
        assert len(errors) == 1
        assert "xxxx" not in errors[0]
        assert peer.session.snapshot().malformed == 1
        assert handler_of(peer).heard == ["next"]


@pytest.mark.virtual_clock
async def test_a_slow_on_message_drops_the_oldest_and_says_so_once() -> None:
    """The queue of messages is bounded; the client is warned."""

    class Slow(Listening):
        async def on_message(self, message: Any) -> None:
            await asyncio.sleep(1)
            self.heard.append(message)

    async with connect(Slow()) as peer:
        for number in range(1000):
            peer.send(number)
        await asyncio.sleep(400)
        assert handler_of(peer).heard[-1] == 999
        assert len(handler_of(peer).heard) <= 258
        assert len(peer.of_type("warning")) == 1
        assert peer.session.snapshot().dropped["messages"] >= 742


@pytest.mark.virtual_clock
async def test_protocol_texts_are_sent_as_they_are_and_the_rest_as_a_message() -> None:
    """A FastRTC handler's own JSON is not wrapped; plain values are."""
    async with connect(Listening()) as peer:
        await asyncio.sleep(0.1)
        handler = handler_of(peer)
        await handler.send_message(json.dumps({"type": "log", "data": "pause_detected"}))
        await handler.send_message("hello")
        await handler.send_message({"score": 3})
        handler.send_message_sync("from the loop's own thread")
        with pytest.raises(MessageError, match="JSON"):
            await handler.send_message(object())
        assert [(m.type, m.data) for m in peer.messages] == [
            ("log", "pause_detected"),
            ("message", "hello"),
            ("message", {"score": 3}),
            ("message", "from the loop's own thread"),
        ]


async def test_send_message_sync_is_safe_from_any_thread() -> None:
    """Twenty threads at once; every message arrives."""
    async with connect(Listening()) as peer:
        await asyncio.sleep(0.05)
        handler = handler_of(peer)
        threads = [
            threading.Thread(target=handler.send_message_sync, args=(number,))
            for number in range(20)
        ]
        for thread in threads:
            thread.start()
        # `join` on a thread of its own: the messages leave on this loop.
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
        assert sorted(peer.of_type("message")) == list(range(20))


@pytest.mark.virtual_clock
async def test_messages_sent_before_the_channel_opens_arrive() -> None:
    """`start_up` may send; what waits is bounded."""
    async with connect(Listening(), open_channel=False) as peer:
        handler = handler_of(peer)
        assert handler.channel is None
        assert not handler.channel_set.is_set()
        await asyncio.sleep(0.1)
        for number in range(100):
            await handler.send_message(number)
        peer.session.open_channel(peer)
        assert handler.channel_set.is_set()
        assert peer.of_type("message") == list(range(36, 100))


@pytest.mark.virtual_clock
async def test_sending_after_the_end_raises() -> None:
    """A handler that outlives its session is told so."""
    async with connect(Listening()) as peer:
        await asyncio.sleep(0.1)
        handler = handler_of(peer)
    with pytest.raises(ChannelClosedError):
        await handler.send_message("late")
    with pytest.raises(ChannelClosedError):
        handler.send_message_sync("late")


async def test_send_warning_works_in_async_and_sync_methods() -> None:
    """The warning reaches the client of the session that runs the code."""

    class Sync(StreamHandler):
        def receive(self, frame: Any) -> None:
            send_warning("from a thread")

        def emit(self) -> None: ...

        def copy(self) -> Sync:
            return Sync()

    class Async(Recording):
        async def receive(self, frame: Any) -> None:
            send_warning("from the loop")

    for handler, text in ((Sync(), "from a thread"), (Async(), "from the loop")):
        async with connect(handler) as peer:
            await peer.speak(tone(duration=0.04))
            await asyncio.sleep(0.05)
            assert set(peer.of_type("warning")) == {text}
    with pytest.raises(RuntimeError):
        send_warning("from nowhere")


async def test_what_is_done_and_said_is_told_from_every_method() -> None:
    """From a thread and from the loop; `None` takes a status back, and nowhere is an error."""

    class Sync(StreamHandler):
        def receive(self, frame: Any) -> None:
            send_status("Looking it up")
            send_transcript("what time is it", final=False)
            self.set_status(None)

        def emit(self) -> None: ...

        def copy(self) -> Sync:
            return Sync()

    class Async(Recording):
        async def receive(self, frame: Any) -> None:
            self.set_status("Looking it up")
            send_transcript("what time is it", final=False)
            send_status(None)

    for handler in (Sync(), Async()):
        async with connect(handler) as peer:
            await peer.speak(tone(duration=0.02))
            await asyncio.sleep(0.05)
            assert peer.of_type("status") == ["Looking it up", ""]
            said = {"role": "user", "text": "what time is it", "final": False}
            assert peer.of_type("transcript") == [said]
    for tell in (send_status, send_transcript):
        with pytest.raises(RuntimeError, match="no session"):
            tell("from nowhere")


@pytest.mark.virtual_clock
async def test_a_subscriber_that_is_slow_loses_the_oldest_outputs() -> None:
    """Outputs are bounded per subscriber; every subscriber ends with the session."""
    from fastrtc_core import AdditionalOutputs

    async with connect(Recording()) as peer:
        stream = peer.session.outputs.subscribe()
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        for number in range(200):
            peer.session.outputs.publish(AdditionalOutputs(number))
        assert (await first).args == (0,) or (await first).args[0] > 0
    rest = [output.args[0] async for output in stream]
    assert rest[-1] == 199
    assert len(rest) <= 64
