"""The WebSocket transport on a real server, with a real client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import Depends, FastAPI, WebSocketException
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    CloseReason,
    CloseStream,
    ConfigurationError,
    Context,
    HandlerError,
    Stream,
    get_current_context,
)
from fastrtc_core.client import Client
from fastrtc_core.testing import delay_of, fit_sine, longest_silence, speech_like, tone
from fastrtc_core.websocket import connection, dialect, manager
from fastrtc_handlers import Echo

from ..webrtc.support import eventually, gone, serving
from .support import connected

PCM: dict[str, Any] = {"encoding": "pcm16", "sample_rate": 48000}


@asynccontextmanager
async def on_a_server(stream: Stream, **options: Any) -> AsyncIterator[str]:
    app = FastAPI()
    stream.mount(app, **options)
    async with serving(app) as url:
        yield url
    await gone(stream)


class Agent(AsyncStreamHandler):
    """Notes what happens to it; does what messages tell it."""

    instances: list[Agent]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options
        self.calls: list[str] = []
        self.frames: list[AudioFrame] = []
        self.to_emit: asyncio.Queue[Any] = asyncio.Queue()
        self.context: Context | None = None

    async def start_up(self) -> None:
        self.calls.append("start_up")
        self.context = get_current_context()

    async def receive(self, frame: AudioFrame) -> None:
        self.frames.append(frame)

    async def emit(self) -> Any:
        return await self.to_emit.get()

    async def on_message(self, message: Any) -> None:
        if message == "fail":
            raise HandlerError("it failed")
        await self.send_message({"got": message})

    def shutdown(self) -> None:
        self.calls.append("shutdown")

    def copy(self) -> Agent:
        copy = type(self)(**self.options)
        copies.append(copy)
        return copy


copies: list[Agent] = []


@pytest.fixture(autouse=True)
def no_copies() -> None:
    copies.clear()


async def test_fastrtcs_protocol() -> None:
    """µ-law in JSON at the rate of the handler: what is said comes back, in real time."""
    speech = speech_like(2.0, 24000)
    async with on_a_server(Stream(Echo(sample_rate=24000))) as url:
        async with connected(url, start={"websocket_id": "abc"}) as client:
            await client.speak(speech)
            await eventually(lambda: len(client.heard) >= 99, "the echo")
            await client.send(event="ping")
            await eventually(lambda: client.of_event("pong"), "a pong")
            assert not client.of_event("started")
            heard = client.sound()[0]
            times = [when for when, _ in client.heard]
            await client.send(event="stop")
    _, correlation = delay_of(heard, speech.data[0], 24000)
    assert correlation > 0.99
    assert times[-1] - times[0] == pytest.approx(0.02 * (len(times) - 1), abs=0.1)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
async def test_pcm_at_any_rate(rate: int, binary: bool) -> None:
    """The handler keeps its own rate; the client gets what it asked for, clean."""
    stream = Stream(Echo(sample_rate=48000))
    start = {"encoding": "pcm16", "sample_rate": rate, "binary": binary}
    async with (
        on_a_server(stream) as url,
        connected(url, encoding="pcm16", rate=rate, start=start) as client,
    ):
        await client.speak(tone(1000, 1.0, rate), binary=binary)
        await eventually(lambda: len(client.heard) >= 50, "the echo")
        (started,) = client.of_event("started")
        assert started["output_sample_rate"] == rate
        assert re.fullmatch(r"[\w-]{20,}", started["websocket_id"])
    assert fit_sine(client.sound()[0, rate // 10 : 9 * rate // 10], 1000, rate).snr > 40


async def test_stereo_stays_separate() -> None:
    """Left and right, there and back."""
    stereo = AudioFrame(
        48000, np.concatenate([tone(500, 1.0).data, tone(2000, 1.0, level=0.2).data])
    )
    async with (
        on_a_server(Stream(Echo(stereo=True))) as url,
        connected(url, encoding="pcm16", channels=2, start=PCM) as client,
    ):
        await client.speak(stereo)
        await eventually(lambda: len(client.heard) >= 50, "the echo")
    sound = client.sound()
    assert fit_sine(sound[0], 500, 48000).snr > 60
    assert fit_sine(sound[1], 2000, 48000).snr > 60


@pytest.mark.parametrize("milliseconds", [1 / 48, 5, 33, 250, 1000])
async def test_pieces_of_any_length(milliseconds: float) -> None:
    """From one sample to a second: nothing is lost, and nothing is torn."""
    length = 0.02 if milliseconds < 1 else 2.0
    sound = tone(1000, length)
    async with (
        on_a_server(Stream(Agent(input_sample_rate=48000))) as url,
        connected(url, encoding="pcm16", start=PCM) as client,
    ):
        await client.speak(sound, milliseconds)
        wanted = round(length * 50)
        await eventually(lambda: copies and len(copies[0].frames) >= wanted, "all of it")
    heard = np.concatenate([frame.data[0] for frame in copies[0].frames])[: 960 * wanted]
    assert np.array_equal(heard, sound.data[0])


async def test_five_seconds_at_once() -> None:
    """What comes too fast is handed on as fast as a handler can follow."""
    sound = speech_like(5.0)
    async with (
        on_a_server(Stream(Agent(input_sample_rate=48000))) as url,
        connected(url, encoding="pcm16", start=PCM) as client,
    ):
        for start in range(0, 5):
            piece = sound.data[:, 48000 * start : 48000 * (start + 1)]
            await client.media(AudioFrame(48000, piece), binary=True)
        await eventually(lambda: copies and len(copies[0].frames) >= 250, "all of it")
    heard = np.concatenate([frame.data[0] for frame in copies[0].frames])
    assert np.array_equal(heard, sound.data[0])


async def test_messages_arguments_and_errors() -> None:
    """As on a data channel; what cannot be read is answered, and the session goes on."""
    start = {"args": [1, "two"], "params": {"user": "ada"}, "websocket_id": "me"}
    async with on_a_server(Stream(Agent())) as url, connected(url, start=start) as client:
        await client.send(type="message", data={"a": 1})
        await client.socket.send("nonsense")
        await client.send(event="dance")
        await client.send(event="media", media={"payload": "!"})
        await client.send(type="message", data="fail")
        await client.send(type="send_input", data=[3])
        await client.send(type="message", data="end")
        await eventually(lambda: len(client.of_type("message")) == 2, "both answers")
        assert client.of_type("message") == [{"got": {"a": 1}}, {"got": "end"}]
        assert len(client.of_type("error")) == 4
        assert "it failed" in client.of_type("error")[-1]
        (agent,) = copies
        assert agent.args == (3,)
        assert agent.context is not None
        assert agent.context.webrtc_id == "me"
        assert agent.context.transport == "websocket"
        assert agent.context.params == {"user": "ada"}
        assert "user-agent" in agent.context.headers
    await eventually(lambda: agent.calls == ["start_up", "shutdown"], "the end")


async def test_the_handler_ends_the_session() -> None:
    """After the last sample has had time to play, with the reason."""
    async with on_a_server(Stream(Agent())) as url, connected(url, rate=24000) as client:
        await eventually(lambda: copies, "the session")
        copies[0].to_emit.put_nowait(tone(500, 0.5, 24000))
        copies[0].to_emit.put_nowait(CloseStream("bye"))
        await client.socket.wait_closed()
        assert client.of_type("end_stream") == ["bye"]
        assert client.socket.close_code == 1000
    assert client.sound().shape == (1, 12000)


async def test_what_is_cleared_is_cleared_at_the_client_too() -> None:
    """`clear` comes after the last of the old audio and before the first of the new."""
    async with (
        on_a_server(Stream(Agent())) as url,
        connected(url, encoding="pcm16", rate=24000, start={"encoding": "pcm16"}) as client,
    ):
        await eventually(lambda: copies, "the session")
        speech = copies[0].say(tone(500, 5.0, 24000))
        await asyncio.sleep(0.5)
        copies[0].interrupt()
        copies[0].say(tone(800, 0.2, 24000))
        await eventually(lambda: client.of_event("clear"), "a clear")
        await asyncio.sleep(0.4)
        playback = await speech
        assert client.of_type("interrupted")[0]["heard_ms"] == round(1000 * playback.heard)
        heard = client.sound()[0]
        old = round(24000 * playback.heard)
        assert len(heard) == old + 4800
        assert fit_sine(heard[:old], 500, 24000).snr > 40
        assert fit_sine(heard[old:], 800, 24000).snr > 40


async def test_audio_is_sent_in_real_time() -> None:
    """Never a burst that could not be taken back."""
    async with on_a_server(Stream(Agent())) as url, connected(url) as client:
        await eventually(lambda: copies, "the session")
        start = asyncio.get_running_loop().time()
        copies[0].to_emit.put_nowait(tone(500, 1.5, 24000))
        await eventually(lambda: len(client.heard) >= 75, "all of it")
        for number, (when, _) in enumerate(client.heard):
            assert when - start > 0.02 * number - 0.2, "at most 200 ms ahead"
    assert longest_silence(client.sound()[0], 24000) < 0.002


async def test_one_registry_and_one_limit() -> None:
    """Over WebSocket and WebRTC; a taken id is refused, and its owner hears nothing of it."""
    stream = Stream(Agent(), concurrency_limit=2)
    async with on_a_server(stream) as url:
        async with connected(url, start={"websocket_id": "mine"}) as client:
            await eventually(lambda: stream.sessions == 1, "the session")
            async with connected(url, start={"websocket_id": "mine"}) as thief:
                await thief.socket.wait_closed()
                assert thief.messages[0]["meta"]["error"] == "connection_already_exists"
                assert thief.socket.close_code == 1008
            async with Client(url, modality=None):
                assert stream.sessions == 2
                async with connected(url) as refused:
                    await refused.socket.wait_closed()
                    meta = refused.messages[0]["meta"]
                    assert (meta["error"], meta["limit"]) == ("concurrency_limit_reached", 2)
                    assert refused.socket.close_code == 1013
            await client.send(type="message", data="still here")
            await eventually(lambda: client.of_type("message"), "an answer")
            assert len(client.messages) == 1


async def test_whoever_vanishes_is_noticed() -> None:
    """Without a word, in the midst of a frame; its slot is free, and `shutdown` has run."""
    stream = Stream(Agent())
    async with on_a_server(stream) as url:
        async with connected(url) as client:
            await eventually(lambda: stream.sessions == 1, "the session")
            client.socket.transport.abort()
            await gone(stream)
        assert copies[0].calls == ["start_up", "shutdown"]


async def test_a_client_that_reads_nothing_disturbs_nobody() -> None:
    """It holds back its own playout; another one hears everything in time."""
    stream = Stream(Agent())
    async with on_a_server(stream) as url:
        deaf_url = url.replace("http", "ws", 1) + "/websocket/offer"
        async with connect(deaf_url, max_queue=1) as deaf, connected(url) as client:
            await deaf.send(json.dumps({"event": "start", **PCM}))
            await eventually(lambda: len(copies) == 2, "both")
            for agent in copies:
                agent.say([tone(500, 1.0, 24000)] * 3)
            await eventually(lambda: len(client.heard) >= 150, "all of it")
            times = np.diff([when for when, _ in client.heard])
            assert times.max() < 0.2
            deaf.transport.abort()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("nonsense", 1008),
        (b"\0\1", 1008),
        ('{"event": "media"}', 1008),
        ('{"event": "start", "encoding": "opus"}', 1008),
        ('{"event": "start", "websocket_id": "with space"}', 1008),
    ],
)
async def test_who_does_not_begin_as_agreed_gets_no_session(sent: str | bytes, code: int) -> None:
    """The reason, a close, and nothing that was made."""
    stream = Stream(Agent())
    async with on_a_server(stream) as url:
        async with connect(url.replace("http", "ws", 1) + "/websocket/offer") as socket:
            await socket.send(sent)
            body = json.loads(await socket.recv())
            assert body["meta"]["error"] == "malformed_offer"
            await socket.wait_closed()
            assert socket.close_code == code
    assert not copies


async def test_who_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds; here sooner."""
    monkeypatch.setattr(manager, "START_TIMEOUT", 0.1)
    async with on_a_server(Stream(Agent())) as url:
        async with connect(url.replace("http", "ws", 1) + "/websocket/offer") as socket:
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1008, "no start")


async def test_who_sends_too_much_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a code that says which limit it was; the session ends as any other."""
    monkeypatch.setattr(connection, "BURST", 50)
    async with on_a_server(Stream(Agent())) as url:
        async with connected(url) as flood:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(100_000):
                    await flood.send(event="ping")
            await flood.socket.wait_closed()
            assert flood.socket.close_code == 1008
        async with connected(url) as big:
            await eventually(lambda: len(copies) == 2, "the session")
            await big.socket.send("x" * (dialect.MAX_MESSAGE + 1))
            await big.socket.wait_closed()
            assert big.socket.close_code == 1009
    await eventually(lambda: all(agent.calls[-1] == "shutdown" for agent in copies), "the end")


async def test_limits_and_ends() -> None:
    """A time limit with its notice, a drain, and the application that closes."""
    ends: list[CloseReason] = []
    stream = Stream(Agent(), time_limit=0.4, on_disconnect=ends.append)
    async with on_a_server(stream) as url, connected(url) as client:
        await client.socket.wait_closed()
        assert client.of_type("warning")
        assert client.of_type("closing") == ["time_limit"]
        assert client.socket.close_code == 1000
    stream = Stream(Agent(), on_disconnect=ends.append)
    async with on_a_server(stream) as url:
        async with connected(url, start={"websocket_id": "me"}) as client:
            await eventually(lambda: stream.sessions == 1, "the session")
            await asyncio.sleep(0.1)
            stream.close("me")
            await client.socket.wait_closed()
            assert client.socket.close_code == 1001
        async with connected(url) as client:
            await eventually(lambda: stream.sessions == 1, "the session")
            await asyncio.sleep(0.1)
            await stream.drain(5)
            await client.socket.wait_closed()
            assert client.of_type("closing") == ["drain"]
    assert ends == [CloseReason.TIME_LIMIT, CloseReason.CLOSED, CloseReason.DRAIN]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (None, None, True),
        (None, "same", True),
        (None, "https://evil.example", False),
        (["https://good.example"], "https://good.example", True),
        (["https://good.example"], "same", True),
        (["https://good.example"], "https://evil.example", False),
        (["*"], "https://evil.example", True),
    ],
)
async def test_pages_of_others_may_not_connect(
    origins: list[str] | None, origin: str | None, allowed: bool
) -> None:
    """A browser says which page opens a socket; other clients say nothing."""
    async with on_a_server(Stream(Agent()), origins=origins) as url:
        headers = {"origin": url if origin == "same" else origin} if origin else {}
        address = url.replace("http", "ws", 1) + "/websocket/offer"
        if allowed:
            async with connect(address, additional_headers=headers) as socket:
                await socket.send(json.dumps({"event": "start", **PCM}))
                assert json.loads(await socket.recv())["event"] == "started"
        else:
            async with connect(address, additional_headers=headers) as socket:
                await socket.wait_closed()
                assert socket.close_code == 1008
                assert (socket.close_reason or "").startswith(
                    f"Expected a page of {url[7:]}, not of http"
                )


async def test_dependencies_guard_it() -> None:
    """Those of `mount`, before anything else."""

    def refuse() -> None:
        raise WebSocketException(1008)

    async with on_a_server(Stream(Agent()), dependencies=[Depends(refuse)]) as url:
        with pytest.raises(InvalidStatus):
            async with connected(url):
                pass


async def test_a_transport_may_be_left_out() -> None:
    """And an unknown one is an error; a stream of pictures has none."""
    for stream, transports in (
        (Stream(Agent()), ["webrtc"]),
        (Stream(lambda picture: picture, modality="video"), ["webrtc", "websocket"]),
    ):
        async with on_a_server(stream, transports=transports) as url:
            with pytest.raises(InvalidStatus):
                async with connected(url):
                    pass
    app = FastAPI()
    Stream(Agent()).mount(app, transports=["websocket"])
    assert not [route for route in app.routes if "webrtc" in getattr(route, "path", "")]
    with pytest.raises(ConfigurationError, match="carrier pigeon"):
        Stream(Agent()).mount(app, transports=["carrier pigeon"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("mode", "receives", "sends"), [("send", True, False), ("receive", False, True)]
)
async def test_modes(mode: Any, receives: bool, sends: bool) -> None:
    """In one direction only, the other is not there."""
    async with (
        on_a_server(Stream(Agent(input_sample_rate=24000), mode=mode)) as url,
        connected(url) as client,
    ):
        await eventually(lambda: copies, "the session")
        copies[0].to_emit.put_nowait(tone(500, 0.1, 24000))
        await client.speak(tone(500, 0.2, 24000))
        await asyncio.sleep(0.2)
        assert bool(copies[0].frames) == receives
        assert bool(client.heard) == sends
