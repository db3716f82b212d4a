"""The handler classes: what FastRTC documents of them, and the way to their session."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest

from fastrtc_core import (
    AsyncAudioVideoStreamHandler,
    AsyncStreamHandler,
    AudioFrame,
    AudioVideoStreamHandler,
    ChannelClosedError,
    ConfigurationError,
    MessageError,
    StreamHandler,
    StreamHandlerBase,
)
from fastrtc_core.realtime.dialect import RealtimeDialect
from fastrtc_core.telephone.dialect import CallDialect
from fastrtc_core.testing import connect
from fastrtc_core.websocket.dialect import JsonDialect

from ..webrtc.support import eventually

HANDLERS: list[Any] = [
    StreamHandler,
    AsyncStreamHandler,
    AudioVideoStreamHandler,
    AsyncAudioVideoStreamHandler,
]


class Quiet(AsyncStreamHandler):
    """Hears everything and says nothing."""

    async def receive(self, frame: Any) -> None:
        pass

    async def emit(self) -> None:
        await asyncio.Event().wait()

    def copy(self) -> Quiet:
        return type(self)()


class QuietSync(StreamHandler):
    def receive(self, frame: Any) -> None:
        pass

    def emit(self) -> None:
        return None

    def copy(self) -> QuietSync:
        return type(self)()


# What the document says


def test_the_constructor_is_the_documented_one() -> None:
    """Names, order and defaults of the arguments are those of FastRTC; `fps` comes after them."""
    parameters = inspect.signature(StreamHandlerBase.__init__).parameters
    assert {name: p.default for name, p in list(parameters.items())[1:]} == {
        "expected_layout": "mono",
        "output_sample_rate": 24000,
        "output_frame_size": None,
        "input_sample_rate": 48000,
        "fps": 30,
    }
    assert list(parameters)[1:5] == [
        "expected_layout",
        "output_sample_rate",
        "output_frame_size",
        "input_sample_rate",
    ]
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters.values())


def test_the_attributes_have_their_documented_values() -> None:
    """A new handler has every attribute that FastRTC documents, and ours with their defaults."""
    handler = Quiet()
    assert handler.expected_layout == "mono"
    assert handler.output_sample_rate == 24000
    assert handler.output_frame_size == 480
    assert handler.input_sample_rate == 48000
    assert handler.fps == 30
    assert handler.channel is None
    assert isinstance(handler.channel_set, asyncio.Event)
    assert isinstance(handler.args_set, asyncio.Event)
    assert not handler.channel_set.is_set()
    assert not handler.args_set.is_set()
    assert handler.latest_args == "not_set"
    assert handler.phone_mode is False
    assert handler.video_format == "bgr24"
    assert handler.max_input_latency == 0.16


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_documented_method_is_there(handler: type[StreamHandlerBase]) -> None:
    """Each class has the methods of the document, sync or async as it says."""
    is_async = handler in (AsyncStreamHandler, AsyncAudioVideoStreamHandler)
    own = ["receive", "emit", "start_up"]
    if handler in (AudioVideoStreamHandler, AsyncAudioVideoStreamHandler):
        own += ["video_receive", "video_emit"]
    for name in own:
        assert inspect.iscoroutinefunction(getattr(handler, name)) == is_async, name
    for name in ("send_message", "wait_for_args"):
        assert inspect.iscoroutinefunction(getattr(handler, name)), name
    for name in ("clear_queue", "send_message_sync", "reset", "shutdown", "set_args", "copy"):
        assert not inspect.iscoroutinefunction(getattr(handler, name)), name


@pytest.mark.parametrize(
    ("handler", "abstract"),
    [
        (StreamHandlerBase, {"copy"}),
        (StreamHandler, {"copy"}),
        (AsyncStreamHandler, {"copy"}),
        (AudioVideoStreamHandler, {"copy"}),
        (AsyncAudioVideoStreamHandler, {"copy"}),
    ],
)
def test_abstract_methods_are_enforced(
    handler: type[StreamHandlerBase], abstract: set[str]
) -> None:
    """A class without `copy` cannot be made; what else it needs depends on the mode."""
    assert handler.__abstractmethods__ == abstract
    for missing in abstract:
        present = {name: lambda self, *args: None for name in abstract - {missing}}
        incomplete = type("Incomplete", (handler,), present)
        with pytest.raises(TypeError, match=rf"abstract method.*{missing}"):
            incomplete()


def test_a_handler_that_has_them_all_can_be_made() -> None:
    """`start_up`, `shutdown` and `on_message` are optional."""
    handler = QuietSync()
    handler.start_up()
    assert handler.shutdown() is None
    assert handler.on_message({"any": 1}) is None
    asyncio.run(Quiet().start_up())


# The constructor


def test_the_deprecated_frame_size_warns_and_is_ignored() -> None:
    """The warning points at the caller and says what the size is."""
    with pytest.warns(DeprecationWarning, match="output_frame_size.*480 samples") as caught:
        handler = QuietSync(output_frame_size=1234)
    assert handler.output_frame_size == 480
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        QuietSync()


@pytest.mark.parametrize(("rate", "size"), [(8000, 160), (16000, 320), (44100, 882), (48000, 960)])
def test_the_frame_size_is_20_ms_of_the_output(rate: int, size: int) -> None:
    """`output_frame_size` is derived."""
    assert QuietSync(output_sample_rate=rate).output_frame_size == size


@pytest.mark.parametrize("argument", ["input_sample_rate", "output_sample_rate"])
@pytest.mark.parametrize("rate", [0, -8000, 11025, 22051, 24000.0, "24000", None])
def test_a_rate_that_20_ms_does_not_divide_is_refused(argument: str, rate: Any) -> None:
    """Either rate must be an integer with a whole number of samples in 20 ms."""
    with pytest.raises(ConfigurationError, match=r"Quiet.*Hz"):
        Quiet(**{argument: rate})


@pytest.mark.parametrize("layout", ["surround", "", 2, None])
def test_a_layout_that_is_none_is_refused(layout: Any) -> None:
    """A layout is mono or stereo."""
    with pytest.raises(ConfigurationError, match="layout"):
        Quiet(expected_layout=layout)


@pytest.mark.parametrize("fps", [0, -1, 1000])
def test_a_frame_rate_that_makes_no_sense_is_refused(fps: int) -> None:
    """Pictures per second are 1 to 240."""
    with pytest.raises(ConfigurationError, match="fps"):
        Quiet(fps=fps)


# Prototypes


async def test_a_prototype_has_no_session() -> None:
    """Whatever needs a session says that this handler has none."""
    handler = Quiet()
    assert handler.channel is None
    with pytest.raises(RuntimeError, match="prototype"):
        _ = handler.loop
    with pytest.raises(RuntimeError, match="prototype"):
        handler.clear_queue()
    with pytest.raises(RuntimeError, match="prototype"):
        await handler.send_message("hello")
    with pytest.raises(RuntimeError, match="prototype"):
        handler.send_message_sync("hello")
    coro = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="prototype"):
        handler.create_task(coro)
    coro.close()


# Arguments


def test_arguments_are_stored_as_fastrtc_does() -> None:
    """`latest_args` starts with a marker; `args` is the arguments alone."""
    handler = Quiet()
    assert not handler.args
    handler.set_args([1, "two"])
    assert handler.latest_args == ["__webrtc_value__", 1, "two"]
    assert list(handler.args) == [1, "two"]
    assert handler.args_set.is_set()
    handler.set_args(())
    assert handler.latest_args == ["__webrtc_value__"]


def test_reset_forgets_that_they_have_arrived() -> None:
    """After `reset`, the values stay and the event is clear until the next ones."""
    handler = Quiet()
    handler.set_args([1])
    handler.reset()
    assert not handler.args_set.is_set()
    assert handler.args == (1,)
    handler.set_args([2])
    assert handler.args_set.is_set()


@pytest.mark.virtual_clock
async def test_waiting_for_arguments_asks_the_client() -> None:
    """The client is asked once, and its answer ends the wait."""
    async with connect(Quiet()) as peer:
        handler = peer.session.handler
        waiting = asyncio.create_task(handler.wait_for_args())
        await asyncio.sleep(1)
        assert peer.of_type("send_input") == [[]]
        assert not waiting.done()
        peer.send(["a", 2], type="send_input")
        await waiting
        assert handler.args == ("a", 2)
        await handler.wait_for_args()
        assert len(peer.of_type("send_input")) == 1


@pytest.mark.virtual_clock
async def test_arguments_that_came_with_the_offer_are_there() -> None:
    """Nothing is asked for what has arrived already."""
    async with connect(Quiet(), args=[7]) as peer:
        await peer.session.handler.wait_for_args()
        assert peer.session.handler.args == (7,)
        assert peer.messages == []


@pytest.mark.virtual_clock
async def test_waiting_lasts_until_the_channel_opens() -> None:
    """Without a channel nobody can be asked; arguments in the meantime save the question."""
    async with connect(Quiet(), open_channel=False) as peer:
        handler = peer.session.handler
        waiting = asyncio.create_task(handler.wait_for_args())
        await asyncio.sleep(1)
        assert not waiting.done()
        handler.set_args([1])
        peer.session.open_channel(peer)
        await waiting
        assert peer.messages == []


@pytest.mark.virtual_clock
async def test_a_telephone_has_no_arguments() -> None:
    """On the telephone nobody is asked, and the wait returns at once."""
    async with connect(Quiet()) as peer:
        peer.session.handler.phone_mode = True
        await peer.session.handler.wait_for_args()
        assert peer.messages == []


@pytest.mark.virtual_clock
async def test_who_cannot_be_asked_is_not_waited_for() -> None:
    """A client whose protocol has no such question: nothing is sent, and nothing waits."""
    async with connect(Quiet()) as peer:
        peer.asks = False
        handler = peer.session.handler
        await handler.wait_for_args()
        assert await handler.refresh_args() == ()
        assert peer.messages == []
    assert JsonDialect.asks
    assert not CallDialect.asks
    assert not RealtimeDialect.asks


@pytest.mark.virtual_clock
async def test_inputs_are_asked_for_anew() -> None:
    """The answer counts, not what was known; a wait that is cancelled forgets nothing."""
    async with connect(Quiet(), args=[1]) as peer:
        handler = peer.session.handler
        refreshing = asyncio.create_task(handler.refresh_args())
        await asyncio.sleep(0.5)
        assert not refreshing.done()
        peer.send([2], type="send_input")
        assert await refreshing == (2,)
        refreshing = asyncio.create_task(handler.refresh_args())
        await asyncio.sleep(0.5)
        refreshing.cancel()
        await asyncio.sleep(0)
        assert handler.args_set.is_set()
        start = asyncio.get_running_loop().time()
        assert await handler.refresh_args(timeout=3) == (2,)
        assert asyncio.get_running_loop().time() - start == pytest.approx(3)
        assert await handler.refresh_args(timeout=3) == (2,)
        assert asyncio.get_running_loop().time() - start == pytest.approx(3), "not waited for"
        assert len(peer.of_type("send_input")) == 4


@pytest.mark.virtual_clock
async def test_asking_anew_waits_for_the_channel_no_longer_than_for_the_answer() -> None:
    """A client without a channel costs one wait."""
    async with connect(Quiet(), open_channel=False) as peer:
        start = asyncio.get_running_loop().time()
        for _ in range(2):
            assert await peer.session.handler.refresh_args() == ()
        assert asyncio.get_running_loop().time() - start == pytest.approx(1)
        assert not peer.session.handler.args_set.is_set()


async def test_a_sync_handler_may_ask_anew() -> None:
    """On a thread of its own; a prototype has nobody to ask."""
    async with connect(QuietSync()) as peer:
        asking = asyncio.create_task(asyncio.to_thread(peer.session.handler.refresh_args_sync))
        await eventually(lambda: peer.of_type("send_input"))
        peer.send([1], type="send_input")
        assert await asyncio.wait_for(asking, 1) == (1,)
    with pytest.raises(RuntimeError, match="prototype"):
        await asyncio.to_thread(QuietSync().refresh_args_sync)


async def test_arguments_may_be_set_and_reset_from_a_thread() -> None:
    """`set_args` and `reset` wake and clear the event on the loop's own thread."""
    asyncio.get_running_loop().set_debug(True)  # refuses what is not safe from a thread
    async with connect(Quiet()) as peer:
        handler = peer.session.handler
        waiting = asyncio.create_task(handler.args_set.wait())
        await asyncio.sleep(0)
        await asyncio.to_thread(handler.set_args, [3])
        assert await asyncio.wait_for(waiting, 1)
        assert handler.args == (3,)
        await asyncio.to_thread(handler.reset)
        await asyncio.sleep(0.01)
        assert not handler.args_set.is_set()


async def test_a_sync_handler_may_wait_for_arguments() -> None:
    """`wait_for_args_sync` blocks its thread until they are there."""
    async with connect(QuietSync()) as peer:
        handler = peer.session.handler
        waiting = asyncio.create_task(asyncio.to_thread(handler.wait_for_args_sync))
        await eventually(lambda: peer.of_type("send_input"))
        assert not waiting.done()
        peer.send([1], type="send_input")
        await asyncio.wait_for(waiting, 1)


async def test_the_loop_must_not_wait_for_arguments() -> None:
    """On the loop's thread the blocking wait would never end; it is refused."""
    async with connect(Quiet()) as peer:
        with pytest.raises(RuntimeError, match="await wait_for_args"):
            peer.session.handler.wait_for_args_sync()


# Messages and the queue


@pytest.mark.virtual_clock
async def test_a_message_reaches_the_client() -> None:
    """Any JSON is the data of a `message`; a whole message is sent as it is."""
    async with connect(Quiet()) as peer:
        handler = peer.session.handler
        await handler.send_message("hello")
        await handler.send_message({"a": [1]})
        await handler.send_message({"type": "log", "data": "x"})
        assert peer.of_type("message") == ["hello", {"a": [1]}]
        assert peer.of_type("log") == ["x"]
        with pytest.raises(MessageError):
            await handler.send_message({1, 2})


@pytest.mark.virtual_clock
async def test_a_message_may_be_sent_without_waiting_on_the_loop() -> None:
    """On the loop's own thread `send_message_sync` queues and returns; nothing deadlocks."""
    async with connect(Quiet()) as peer:
        peer.session.handler.send_message_sync("now")
        assert peer.of_type("message") == ["now"]
        with pytest.raises(MessageError):
            peer.session.handler.send_message_sync(object())


async def test_a_message_may_be_sent_from_any_thread() -> None:
    """From another thread it is on its way when the call returns; errors come back too."""
    async with connect(Quiet()) as peer:
        handler = peer.session.handler
        await asyncio.to_thread(handler.send_message_sync, "one")
        assert peer.of_type("message") == ["one"]
        with pytest.raises(MessageError):
            await asyncio.to_thread(handler.send_message_sync, np.zeros(1))


async def test_messages_of_many_threads_all_arrive() -> None:
    """Concurrent senders lose nothing, and each keeps its order."""
    async with connect(Quiet()) as peer:
        handler = peer.session.handler

        def send(name: int) -> None:
            for number in range(20):
                handler.send_message_sync([name, number])

        threads = [threading.Thread(target=send, args=(name,)) for name in range(5)]
        for thread in threads:
            thread.start()
        await eventually(lambda: not any(thread.is_alive() for thread in threads))
        got = peer.of_type("message")
        assert sorted(got) == [[name, number] for name in range(5) for number in range(20)]
        for sender in range(5):
            assert [n for name, n in got if name == sender] == list(range(20))


async def test_after_the_session_messages_are_refused() -> None:
    """A handler that outlives its session is told that the channel is closed."""
    async with connect(Quiet()) as peer:
        handler = peer.session.handler
    with pytest.raises(ChannelClosedError):
        await handler.send_message("late")
    with pytest.raises(ChannelClosedError):
        handler.send_message_sync("late")
    with pytest.raises(ChannelClosedError):
        await asyncio.to_thread(handler.send_message_sync, "late")


def test_after_its_loop_a_handler_refuses_messages() -> None:
    """With the event loop gone, a thread that sends gets an error, not an endless wait."""

    async def one_session() -> StreamHandlerBase:
        async with connect(Quiet()) as peer:
            return peer.session.handler

    handler = asyncio.run(one_session())
    with pytest.raises(ChannelClosedError):
        handler.send_message_sync("late")
    handler.set_args([1])
    handler.reset()
    assert handler.args == (1,)


async def test_a_client_that_takes_nothing_holds_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that sends to a blocked client gets an error after a while."""
    monkeypatch.setattr("fastrtc_core.handler.base.SYNC_SEND_TIMEOUT", 0.05)
    async with connect(Quiet()) as peer:
        blocked = asyncio.Event()
        monkeypatch.setattr(peer, "drain", blocked.wait)
        with pytest.raises(ChannelClosedError, match="takes no messages"):
            await asyncio.to_thread(peer.session.handler.send_message_sync, "x")


async def test_the_queue_may_be_cleared_from_any_thread() -> None:
    """`clear_queue` acts on the loop's thread, whoever calls it."""
    async with connect(Quiet()) as peer:
        handler, session = peer.session.handler, peer.session
        assert session.local_audio is not None
        source = session.local_audio.source
        second = AudioFrame(24000, np.zeros((1, 24000), np.int16))
        source.try_push(second)
        handler.clear_queue()
        assert source.queued_duration == 0
        source.try_push(second)
        await asyncio.to_thread(handler.clear_queue)
        await asyncio.sleep(0.001)
        assert source.queued_duration == 0


async def test_the_session_is_there_while_it_lasts() -> None:
    """`loop` and `channel` are those of the session; `create_task` runs beside the handler."""
    async with connect(Quiet()) as peer:
        handler = peer.session.handler
        assert handler.loop is asyncio.get_running_loop()
        assert handler.channel_set.is_set()
        await asyncio.sleep(0.01)
        started = time.monotonic()
        task = handler.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
    assert task.cancelled()
    assert time.monotonic() - started < 5


def test_rates_below_that_of_a_telephone_are_refused() -> None:
    """Opus does not know them; the error comes when the handler is made."""
    with pytest.raises(ConfigurationError, match="8000 Hz or more"):
        Quiet(input_sample_rate=1000)
    with pytest.raises(ConfigurationError, match="8000 Hz or more"):
        Quiet(output_sample_rate=4000)
