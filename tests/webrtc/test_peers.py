"""The life of a session over real peers: copies, start and end, hooks, arguments, context."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from aiortc import RTCPeerConnection

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    CloseReason,
    CloseStream,
    ConfigurationError,
    Context,
    HandlerError,
    OfferError,
    Stream,
    StreamHandler,
    get_current_context,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import tone
from fastrtc_core.webrtc import liveness, peer

from .support import (
    Silent,
    app_of,
    connected,
    eventually,
    gone,
    make_offer,
    message_of_type,
    raw_peer,
    serving,
    speak,
    take_answer,
)


async def test_every_connection_has_its_own_copy() -> None:
    """What one client says reaches the handler of that client and no other."""
    prototype = Silent()
    stream = Stream(prototype)
    async with Client(stream.offer) as one, Client(stream.offer) as two:
        assert one.webrtc_id != two.webrtc_id
        await speak(one, tone(duration=0.3))
        first, second = prototype.copies
        await eventually(lambda: len(first.frames) > 5)
        assert second.frames == []
    await gone(stream)
    assert first is not second
    assert prototype.calls == []


async def test_start_up_runs_once_before_the_first_frame() -> None:
    """Frames that come while `start_up` takes its time are delivered after it."""

    class Slow(Silent):
        async def start_up(self) -> None:
            await asyncio.sleep(0.1)
            await super().start_up()

    prototype = Slow()
    stream = Stream(prototype)
    async with Client(stream.offer) as client:
        await speak(client, tone(duration=0.4))
        await eventually(lambda: prototype.only.frames)
    await gone(stream)
    assert prototype.only.calls == ["start_up", "receive", "shutdown"]


# The ways out


class Ended:
    """A stream that notes its hooks, and what its one session did."""

    def __init__(self, handler: Silent | None = None, **options: Any) -> None:
        self.connects: list[str] = []
        self.disconnects: list[tuple[CloseReason, str]] = []
        self.handler = handler or Silent()
        self.stream = Stream(
            self.handler,
            on_connect=lambda context: self.connects.append(context.webrtc_id),
            on_disconnect=lambda reason, context: self.disconnects.append(
                (reason, context.webrtc_id)
            ),
            **options,
        )

    async def started(self) -> Silent:
        """The handler of the session, once it runs."""
        await eventually(lambda: self.handler.copies and self.handler.only.calls)
        return self.handler.only

    async def check(self, reason: CloseReason, within: float = 5.0) -> None:
        """Every trace of the session is gone, and each hook and method ran once."""
        await gone(self.stream, within)
        assert self.connects == [self.disconnects[0][1]]
        assert self.disconnects == [(reason, self.connects[0])]
        calls = self.handler.only.calls
        assert calls[0] == "start_up"
        assert calls[-1] == "shutdown"
        assert calls.count("start_up") == calls.count("shutdown") == 1


async def test_the_client_closes() -> None:
    """A client that says goodbye ends its session at once."""
    ended = Ended()
    async with Client(ended.stream.offer):
        await ended.started()
    await ended.check(CloseReason.CLIENT, within=1.0)


async def test_the_client_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose sockets are gone without a goodbye is lost."""
    monkeypatch.setattr(liveness, "INTERVAL", 0.1)
    monkeypatch.setattr(liveness, "ASK_AFTER", 0.2)
    monkeypatch.setattr(liveness, "LOST_AFTER", 0.8)
    ended = Ended()
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        await take_answer(pc, await ended.stream.offer(await make_offer(pc)))
        await connected(pc)
        await ended.started()
        break_sockets(pc)
        await ended.check(CloseReason.LOST)


def break_sockets(pc: RTCPeerConnection) -> None:
    """Close the sockets of a connection under its feet."""
    for transceiver in pc.getTransceivers():
        for protocol in transceiver.receiver.transport.transport._connection._protocols:
            protocol.transport.close()


async def test_the_application_closes() -> None:
    """`stream.close(id)` ends a session, and the client learns why."""
    ended = Ended()
    async with Client(ended.stream.offer) as client:
        await ended.started()
        assert client.webrtc_id is not None
        ended.stream.close(client.webrtc_id)
        assert await message_of_type(client, "closing") == "closed"
        assert await client.wait_closed() is CloseReason.CLOSED
        await ended.check(CloseReason.CLOSED)


async def test_close_works_from_another_thread() -> None:
    """`stream.close(id)` may be called on any thread."""
    ended = Ended()
    async with Client(ended.stream.offer) as client:
        await ended.started()
        assert client.webrtc_id is not None
        await asyncio.to_thread(ended.stream.close, client.webrtc_id)
        await client.wait_closed()
    await ended.check(CloseReason.CLOSED)


async def test_the_time_limit_ends_the_session() -> None:
    """The client is warned first, and told why in the end."""
    ended = Ended(time_limit=0.6)
    async with Client(ended.stream.offer) as client:
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert "0.3 s" in await message_of_type(client, "warning")
        assert await message_of_type(client, "closing") == "time_limit"
        assert await client.wait_closed() is CloseReason.TIME_LIMIT
        assert 0.4 < loop.time() - start < 2.0
    await ended.check(CloseReason.TIME_LIMIT)


async def test_close_stream_lets_the_tail_be_heard() -> None:
    """All that was emitted before `CloseStream` reaches the client's ear, then its text."""
    ended = Ended(Silent(output_sample_rate=48000))
    async with Client(ended.stream.offer) as client:
        handler = await ended.started()
        # Not a whole number of packets: the last one is padded, not held back.
        handler.to_emit.put_nowait(tone(1000, 0.51))
        handler.to_emit.put_nowait(CloseStream("That is all."))
        assert client.audio_stream is not None
        heard = [event.frame.data[0] async for event in client.audio_stream]
        assert await message_of_type(client, "end_stream") == "That is all."
        assert await client.wait_closed() is CloseReason.CLOSE_STREAM
    await ended.check(CloseReason.CLOSE_STREAM)
    loud = np.abs(np.concatenate(heard).astype(float)) > 1500
    # A sine is above a tenth of its peak for 94 % of the time.
    assert loud.sum() / 48000 / 0.936 == pytest.approx(0.51, abs=0.02)


async def test_drain_ends_every_session() -> None:
    """`drain` returns when the sessions are gone, and each client learns why."""
    ended = Ended()
    async with Client(ended.stream.offer) as client:
        await ended.started()
        await ended.stream.drain(timeout=5)
        assert ended.stream.sessions == 0
        assert await message_of_type(client, "closing") == "drain"
        assert await client.wait_closed() is CloseReason.DRAIN
    await ended.check(CloseReason.DRAIN)


async def test_the_app_shuts_down() -> None:
    """A server that stops drains its sessions: `shutdown` has run when it is down."""
    ended = Ended()
    async with serving(app_of(ended.stream)) as url:
        client = await Client(url).__aenter__()
        await ended.started()
    assert ended.handler.only.calls[-1] == "shutdown"
    assert await client.wait_closed() is CloseReason.DRAIN
    await client.aclose()
    await ended.check(CloseReason.DRAIN)


async def test_a_handler_that_fails_ends_as_any_other() -> None:
    """Errors in every method reach the client, end nothing, and `shutdown` runs once."""

    class Failing(Silent):
        async def receive(self, frame: AudioFrame) -> None:
            raise ValueError("in receive")

        async def shutdown(self) -> None:
            await super().shutdown()
            raise ValueError("in shutdown")

    ended = Ended(Failing())
    async with Client(ended.stream.offer) as client:
        await speak(client, tone(duration=0.1))
        assert await message_of_type(client, "error") == "The server failed in receive."
        ended.handler.only.to_emit.put_nowait(HandlerError("No more credit."))
        while await message_of_type(client, "error") != "No more credit.":
            pass
        assert ended.stream.sessions == 1
    await ended.check(CloseReason.CLIENT)


async def test_media_flow_again_after_an_error() -> None:
    """After an exception in `emit`, the next frame is heard."""
    prototype = Silent(output_sample_rate=48000)
    stream = Stream(prototype)
    async with Client(stream.offer) as client:
        await eventually(lambda: prototype.copies and prototype.only.calls)
        prototype.only.to_emit.put_nowait(ValueError("once"))
        prototype.only.to_emit.put_nowait(tone(duration=0.2))
        assert client.audio_stream is not None
        async with asyncio.timeout(5):
            while not np.abs((await client.audio_stream.read()).data).max() > 1000:
                pass
    await gone(stream)


# Offers that come to nothing


async def test_a_refused_offer_never_starts_a_handler() -> None:
    """What cannot be answered makes no copy run, and calls no hook."""
    ended = Ended()
    async with raw_peer() as pc:
        pc.addTransceiver("video")
        answer = await ended.stream.offer(await make_offer(pc))
    assert answer["status"] == "failed"
    assert ended.stream.sessions == 0
    assert ended.handler.copies == []
    assert not ended.connects
    assert not ended.disconnects


async def test_an_offer_that_never_connects_never_starts_its_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session that was answered but not connected is dropped after the time-out."""
    monkeypatch.setattr(peer, "CONNECT_TIMEOUT", 0.3)
    ended = Ended()
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        answer = await ended.stream.offer(await make_offer(pc))
        assert answer["type"] == "answer"
        assert ended.stream.sessions == 1
        await gone(ended.stream, within=2)
    assert ended.handler.only.calls == []
    assert not ended.connects
    assert not ended.disconnects


async def test_a_session_can_be_closed_before_it_is_connected() -> None:
    """`stream.close(id)` does not wait for a connection that may never come."""
    ended = Ended()
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        answer = await ended.stream.offer(await make_offer(pc))
        ended.stream.close(answer["webrtc_id"])
        await gone(ended.stream, within=1)
    assert ended.handler.only.calls == []
    assert not ended.connects
    assert not ended.disconnects


async def test_who_asked_is_gone_before_the_answer() -> None:
    """A request that is cancelled while its session is made leaves nothing."""

    class Slow(Silent):
        def copy(self) -> Silent:
            import time

            time.sleep(0.2)
            return super().copy()

    ended = Ended(Slow())
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        asking = asyncio.create_task(ended.stream.offer(await make_offer(pc)))
        await eventually(lambda: ended.stream.sessions)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await gone(ended.stream)
    assert ended.connects == []


# What a handler knows


async def test_args_and_params_of_the_offer_are_there_in_start_up() -> None:
    """`args`, `params` and headers come with the one request, before anything runs."""
    seen: dict[str, Any] = {}

    class Asking(Silent):
        async def start_up(self) -> None:
            await self.wait_for_args()
            context = get_current_context()
            seen.update(args=self.args, params=context.params, user=context.headers["x-user"])

    stream = Stream(Asking())
    async with serving(app_of(stream)) as url:
        options: dict[str, Any] = {"args": [1, "two"], "params": {"room": 7}}
        async with Client(url, headers={"X-User": "ada"}, **options):
            await eventually(lambda: seen)
        await gone(stream)
    assert seen == {"args": (1, "two"), "params": {"room": 7}, "user": "ada"}


async def test_the_context_is_there_in_every_async_method() -> None:
    """`get_current_context` names the session in methods, their tasks, `copy` and both hooks."""
    seen: dict[str, Context] = {}

    def note(name: str) -> None:
        seen.setdefault(name, get_current_context())

    class Noting(AsyncStreamHandler):
        async def start_up(self) -> None:
            note("start_up")
            self.create_task(self.beside())

        async def beside(self) -> None:
            note("task")

        async def receive(self, frame: AudioFrame) -> None:
            note("receive")

        async def emit(self) -> None:
            note("emit")

        async def on_message(self, message: Any) -> None:
            note("on_message")

        async def shutdown(self) -> None:
            note("shutdown")

        def copy(self) -> Noting:
            note("copy")
            return Noting()

    async def on_connect() -> None:
        note("on_connect")

    async def on_disconnect(reason: CloseReason) -> None:
        note("on_disconnect")

    stream = Stream(Noting(), on_connect=on_connect, on_disconnect=on_disconnect)
    names = {"start_up", "task", "receive", "emit", "on_message", "copy", "on_connect"}
    await check_contexts(stream, seen, names)


async def test_the_context_is_there_in_every_sync_method() -> None:
    """The same for methods and hooks that run on threads."""
    seen: dict[str, Context] = {}

    def note(name: str) -> None:
        seen.setdefault(name, get_current_context())

    class Noting(StreamHandler):
        def start_up(self) -> None:
            note("start_up")

        def receive(self, frame: AudioFrame) -> None:
            note("receive")

        def emit(self) -> None:
            note("emit")

        def on_message(self, message: Any) -> None:
            note("on_message")

        def shutdown(self) -> None:
            note("shutdown")

        def copy(self) -> Noting:
            note("copy")
            return Noting()

    stream = Stream(
        Noting(),
        on_connect=lambda: note("on_connect"),
        on_disconnect=lambda: note("on_disconnect"),
    )
    names = {"start_up", "receive", "emit", "on_message", "copy", "on_connect"}
    await check_contexts(stream, seen, names)


async def check_contexts(stream: Stream, seen: dict[str, Context], names: set[str]) -> None:
    """Run a session through all of its methods; each must have seen its context."""
    async with Client(stream.offer, params={"room": 7}) as client:
        await speak(client, tone(duration=0.1))
        await client.send("hello")
        await eventually(lambda: set(seen) == names, "a call of each method")
    await gone(stream)
    assert set(seen) == names | {"shutdown", "on_disconnect"}
    for name, context in seen.items():
        assert context.webrtc_id == client.webrtc_id, name
        assert context.transport == "webrtc", name
        assert context.params == {"room": 7}, name


async def test_outside_of_a_session_there_is_no_context() -> None:
    """`get_current_context` says so instead of naming some session."""
    stream = Stream(Silent())
    async with Client(stream.offer):
        with pytest.raises(RuntimeError, match="no session"):
            get_current_context()
    await gone(stream)


async def test_hooks_that_fail_harm_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a hook is logged with the session, which goes on."""

    def fail() -> None:
        raise ValueError("in a hook")

    prototype = Silent()
    stream = Stream(prototype, on_connect=fail, on_disconnect=fail)
    async with Client(stream.offer) as client:
        await eventually(lambda: prototype.copies and prototype.only.calls)
    await gone(stream)
    records = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [str(client.webrtc_id) in record.getMessage() for record in records] == [True, True]
    assert prototype.only.calls == ["start_up", "shutdown"]


# The handler's copy


@pytest.mark.parametrize("result", ["itself", "something else", "an exception"])
async def test_a_copy_that_is_none(result: str, caplog: pytest.LogCaptureFixture) -> None:
    """A `copy` that raises or returns no new handler refuses the offer; the log says why."""

    class Broken(Silent):
        def copy(self) -> Any:
            if result == "an exception":
                raise ValueError("no licence left")
            return self if result == "itself" else object()

    stream = Stream(Broken())
    with pytest.raises(OfferError, match="see its log") as caught:
        await Client(stream.offer).__aenter__()
    assert caught.value.code == "unavailable"
    assert stream.sessions == 0
    words = {"itself": "new instance", "something else": "a handler", "an exception": "no licence"}
    assert words[result] in caplog.text


def test_a_rate_that_20_ms_does_not_divide() -> None:
    """Such a rate is refused when the handler is made, and the text names the rates that work."""
    with pytest.raises(ConfigurationError, match=r"11025 Hz .* 20 ms.* 24000"):
        Silent(output_sample_rate=11025)
    with pytest.raises(ConfigurationError, match=r"22255 Hz"):
        Silent(input_sample_rate=22255)


Act = Callable[[Client], Awaitable[None]]
