"""The telephone service that tests call with, and the call from its beginning."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from fastrtc_core import ConnectionFailedError, Stream, TelephoneOptions
from fastrtc_core.media.g711 import decode_mulaw, encode_mulaw
from fastrtc_core.testing import Phone, delay_of, longest_silence, phone_call, speech_like, tone
from fastrtc_core.testing import phone as module
from fastrtc_core.testing.dialling import read_twiml
from fastrtc_core.testing.phone import STREAM, calling
from fastrtc_handlers import Echo

from ..webrtc.support import eventually
from ..websocket.test_server import on_a_server

Act = Callable[[ServerConnection], Coroutine[Any, Any, None]]


class Server:
    """The other end: notes what the service says, and does what a test wants."""

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[dict[str, Any]] = []

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]


@asynccontextmanager
async def answering(act: Act | None = None) -> AsyncIterator[Server]:
    """A server that takes one call."""
    server = Server()

    async def handle(socket: ServerConnection) -> None:
        async with asyncio.TaskGroup() as tasks:
            acting = None if act is None else tasks.create_task(act(socket))
            async for data in socket:
                server.messages.append(json.loads(data))
            if acting is not None:
                acting.cancel()

    async with serve(handle, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        server.url = f"http://127.0.0.1:{port}"
        yield server


def media(seconds: float) -> str:
    payload = encode_mulaw(tone(500, seconds, 8000).data[0])
    return event("media", media={"payload": base64.b64encode(payload).decode()})


def event(name: str, **fields: Any) -> str:
    return json.dumps({"event": name, "streamSid": STREAM, **fields})


async def test_it_says_what_twilio_says() -> None:
    """Events in order, numbered from `start` on; the words of the reference."""
    async with answering() as server, calling(server.url, parameters={"who": "ada"}) as phone:
        await phone.speak(tone(500, 0.05, 8000))
        await phone.press("#")
        await phone.hang_up()
        await eventually(lambda: server.of("stop"), "the end")
    connected, start, *rest = server.messages
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": STREAM,
        "start": {
            "streamSid": STREAM,
            "accountSid": "AC1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "customParameters": {"who": "ada"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    assert [one["event"] for one in rest] == ["media", "media", "media", "dtmf", "stop"]
    assert [one["sequenceNumber"] for one in rest] == ["2", "3", "4", "5", "6"]
    pieces = [one["media"] for one in rest[:3]]
    assert [(one["chunk"], one["timestamp"]) for one in pieces] == [
        ("1", "0"),
        ("2", "20"),
        ("3", "40"),
    ]
    assert [len(base64.b64decode(one["payload"])) for one in pieces] == [160, 160, 80]
    assert rest[3]["dtmf"] == {"track": "inbound_track", "digit": "#"}
    assert rest[4]["stop"] == {"accountSid": "AC1", "callSid": "CA1"}


async def test_it_sends_silence_while_the_caller_says_nothing() -> None:
    """50 pieces a second in all, and what is said unbroken among them."""
    speech = speech_like(0.6, 8000)
    async with answering() as server, calling(server.url, silence=True) as phone:
        await asyncio.sleep(0.3)
        await phone.speak(speech)
        await asyncio.sleep(0.3)
    pieces = [base64.b64decode(one["media"]["payload"]) for one in server.of("media")]
    assert 55 <= len(pieces) <= 62
    _, correlation = delay_of(decode_mulaw(b"".join(pieces)), speech.data[0], 8000)
    assert correlation > 0.99


async def test_marks_come_back_when_they_were_played() -> None:
    """In real time, whatever the length of the pieces."""
    times: list[float] = []

    async def act(socket: ServerConnection) -> None:
        await socket.send(media(0.5))
        await socket.send(event("mark", mark={"name": "half"}))
        times.append(asyncio.get_running_loop().time())

    async with answering(act) as server, calling(server.url) as phone:
        await eventually(lambda: server.of("mark"), "the mark")
        assert asyncio.get_running_loop().time() - times[0] == pytest.approx(0.5, abs=0.15)
        assert server.of("mark")[0]["mark"] == {"name": "half"}
        assert len(phone.heard) == 25


async def test_clear_discards_and_reports_marks_at_once() -> None:
    """In the midst of a piece, too."""

    async def act(socket: ServerConnection) -> None:
        await socket.send(media(1.0))
        await socket.send(media(1.0))
        await socket.send(event("mark", mark={"name": "never"}))
        await asyncio.sleep(0.3)
        await socket.send(event("clear"))

    async with answering(act) as server, calling(server.url) as phone:
        await eventually(lambda: server.of("mark"), "the mark", within=0.9)
        await asyncio.sleep(0.3)
        assert 10 <= len(phone.heard) <= 20


async def test_what_was_heard_and_when() -> None:
    """`hear` waits for the next thing that is said; the recording has the pauses."""
    seen: list[str] = []

    async def act(socket: ServerConnection) -> None:
        for pause in (0.3, 0.6):
            await asyncio.sleep(pause)
            await socket.send(media(0.2))

    async with answering(act) as server, calling(server.url) as phone:
        phone.on_event = lambda message: seen.append(message["event"])
        for _ in range(2):
            heard = await phone.hear(silence=0.2)
            assert heard.duration == pytest.approx(0.2, abs=0.03)
        recording = phone.recording()
    assert recording.duration == pytest.approx(1.1, abs=0.15)
    pause = longest_silence(recording.data[0], 8000, module.LOUD)
    assert pause == pytest.approx(0.4, abs=0.1)
    assert seen == ["media", "media"]


async def test_nothing_is_heard() -> None:
    """A time-out says for how long; the end of the call says that it ended."""
    async with answering() as server, calling(server.url) as phone:
        assert phone.recording().duration == 0
        with pytest.raises(TimeoutError, match=r"heard nothing for 0\.1 s"):
            await phone.hear(timeout=0.1)
    with pytest.raises(ConnectionFailedError, match="nothing was said"):
        await phone.hear()


async def test_it_holds_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is further ahead is told by a failure, not by memory that runs out."""
    monkeypatch.setattr(module, "CAPACITY", 10)

    async def act(socket: ServerConnection) -> None:
        for _ in range(30):
            await socket.send(media(0.02))

    with pytest.raises(ExceptionGroup) as caught:
        async with answering(act) as server, calling(server.url):
            await asyncio.sleep(2)
    assert "a minute ahead" in repr(caught.value)


async def test_only_at_the_rate_of_a_telephone() -> None:
    """Anything else would sound wrong."""
    async with answering() as server, calling(server.url) as phone:
        with pytest.raises(ValueError, match="8000 Hz"):
            await phone.speak(tone(500, 0.1, 16000))


async def test_a_call_from_its_beginning() -> None:
    """The request, its answer, and the call; each with ids of its own, and signed."""
    options = TelephoneOptions(greeting="Hello", auth_token="secret")
    speech = speech_like(1.0, 8000)
    async with on_a_server(Stream(Echo(8000)), path="/voice", telephone=options) as url:
        async with phone_call(f"{url}/voice/", auth_token="secret") as phone:
            assert isinstance(phone, Phone)
            assert phone.greeting == "Hello"
            await phone.speak(speech)
            await asyncio.sleep(0.3)
        with pytest.raises(ConnectionFailedError, match="403"):
            async with phone_call(f"{url}/voice", auth_token="wrong"):
                pass
        with pytest.raises(ConnectionFailedError, match="404"):
            async with phone_call(url):
                pass
    _, correlation = delay_of(phone.recording().data[0], speech.data[0], 8000)
    assert correlation > 0.95


async def test_an_error_in_the_test_arrives_as_it_is() -> None:
    """Not in a group of errors."""
    async with on_a_server(Stream(Echo(8000))) as url:
        with pytest.raises(ZeroDivisionError):
            async with phone_call(url):
                raise ZeroDivisionError


async def test_nobody_is_there() -> None:
    """The error names the address."""
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:9/telephone/incoming"):
        async with phone_call("http://127.0.0.1:9"):
            pass


def test_twiml() -> None:
    """A greeting, an address, and parameters for the stream."""
    text = (
        "<Response><Say>Hi</Say><Connect><Stream url='wss://example.org/x'>"
        "<Parameter name='who' value='ada'/></Stream></Connect></Response>"
    )
    assert read_twiml(text) == ("Hi", "wss://example.org/x", {"who": "ada"})


@pytest.mark.parametrize("text", ["<Response><Hangup/></Response>", "no XML", ""])
def test_twiml_that_connects_nothing(text: str) -> None:
    """The error says so."""
    with pytest.raises(ConnectionFailedError):
        read_twiml(text)
