"""The OpenAI Realtime API, spoken by its official client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed

from fastrtc_core import AsyncStreamHandler, AudioFrame, Playback, Stream, StreamHandlerBase
from fastrtc_core.media.g711 import decode_alaw, decode_mulaw
from fastrtc_core.testing import fit_sine, tone
from fastrtc_handlers import Echo, ReplyOnPause, TurnOptions
from fastrtc_handlers.tts import EspeakTTS

from ..handlers.turns.test_taking import LoudIsSpeech
from ..later import Later
from ..webrtc.support import eventually, gone, serving

if TYPE_CHECKING:
    import openai
    from openai.resources.realtime.realtime import AsyncRealtimeConnection
else:
    openai = Later("openai")

RATE = 24000
SPEECH = tone(300, 0.6, RATE)
"""What `LoudIsSpeech` takes for speech."""
SILENCE = AudioFrame(RATE, np.zeros((1, RATE), np.int16))


class Agent:
    """The official client, and what it was told.

    Attributes:
        connection: The client.
        events: Every event that came.
    """

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []
        self.ended = asyncio.Event()

    async def listen(self) -> None:
        try:
            async for event in self.connection:
                self.events.append(event)
        except ConnectionClosed:
            pass
        self.ended.set()

    def of_type(self, type: str) -> list[Any]:
        return [event for event in self.events if event.type == type]

    async def wait_for(self, type: str, count: int = 1) -> Any:
        """Wait for so many events of a type, and return the last of them."""
        events = await eventually(
            lambda: len(found := self.of_type(type)) >= count and found, type, within=10
        )
        return events[count - 1]

    async def append(self, audio: AudioFrame) -> None:
        data = base64.b64encode(audio.data.tobytes()).decode()
        await self.connection.input_audio_buffer.append(audio=data)

    async def speak(self, audio: AudioFrame) -> None:
        """Append audio in real time."""
        for start in range(0, audio.samples_per_channel, 480):
            await self.append(AudioFrame(RATE, audio.data[:, start : start + 480]))
            await asyncio.sleep(0.02)

    def sound(self) -> bytes:
        """All audio that came."""
        deltas = self.of_type("response.output_audio.delta")
        return b"".join(base64.b64decode(event.delta) for event in deltas)

    def samples(self) -> NDArray[np.int16]:
        """The same, as PCM."""
        return np.frombuffer(self.sound(), np.int16)

    def transcript(self) -> str:
        """All that was said in words."""
        deltas = self.of_type("response.output_audio_transcript.delta")
        return "".join(event.delta for event in deltas)


@asynccontextmanager
async def realtime(
    handler: StreamHandlerBase, *, server: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Agent, str]]:
    """A server (with options of uvicorn) with a handler, and a client in a session with it."""
    stream = Stream(handler, **options)
    app = FastAPI()
    stream.mount(app, path="/v1")
    async with serving(app, **(server or {})) as url:
        async with meeting(url) as agent:
            yield agent, url
        await gone(stream)


@asynccontextmanager
async def meeting(url: str, model: str = "gpt-realtime") -> AsyncIterator[Agent]:
    """A client in a session with a server."""
    async with (
        openai.AsyncOpenAI(api_key="secret", base_url=f"{url}/v1") as client,
        client.realtime.connect(model=model) as connection,
    ):
        agent = Agent(connection)
        listening = asyncio.create_task(agent.listen())
        try:
            yield agent
        finally:
            await connection.close()
            await listening


def answering(reply: Any, **options: Any) -> ReplyOnPause:
    return ReplyOnPause(
        reply,
        model=LoudIsSpeech(),
        algo_options=TurnOptions(silence=0.3, interrupt_after=0.1),
        input_sample_rate=16000,
        **options,
    )


def two_sentences(audio: AudioFrame) -> Iterator[str]:
    yield "Yes, it is. "
    yield "Good night."


async def test_a_turn_is_found_and_answered() -> None:
    """Every event of the API in its order; the reply is heard, and read."""
    async with realtime(answering(two_sentences, tts=EspeakTTS())) as (agent, _):
        created = await agent.wait_for("session.created")
        assert created.session.model == "gpt-realtime"
        assert created.session.audio.input.format.rate == RATE
        await agent.connection.session.update(
            session={"type": "realtime", "instructions": "Be brief."}
        )
        updated = await agent.wait_for("session.updated")
        assert updated.session.instructions == "Be brief."
        assert updated.session.audio.input.turn_detection.type == "server_vad"
        await agent.speak(SPEECH)
        await agent.speak(SILENCE)
        done = await agent.wait_for("response.done")
    types = [event.type for event in agent.events]
    assert list(dict.fromkeys(types)) == [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert done.response.status == "completed"
    assert done.response.output[0].content[0].transcript == "Yes, it is. Good night."
    assert agent.transcript() == "Yes, it is. Good night."
    assert 0.8 < len(agent.samples()) / RATE < 5
    assert np.abs(agent.samples().astype(int)).max() > 3000
    begun, over = (
        agent.of_type(f"input_audio_buffer.speech_{what}")[0] for what in ("started", "stopped")
    )
    committed = agent.of_type("input_audio_buffer.committed")[0]
    assert begun.item_id == over.item_id == committed.item_id
    assert 0 <= begun.audio_start_ms < 200
    assert 800 < over.audio_end_ms < 1500
    assert len({event.event_id for event in agent.events}) == len(agent.events)


async def test_the_client_says_when_its_turn_is_over() -> None:
    """With turn_detection null: whole at once, then `commit` and `response.create`."""
    heard: list[AudioFrame] = []

    def reply(audio: AudioFrame) -> AudioFrame:
        heard.append(audio)
        return tone(500, 0.2, RATE)

    async with realtime(answering(reply)) as (agent, _):
        await agent.connection.session.update(
            session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        )
        await agent.append(tone(700, 3.0, RATE))  # forgotten
        await agent.connection.input_audio_buffer.clear()
        await agent.wait_for("input_audio_buffer.cleared")
        await agent.append(tone(300, 1.5, RATE))
        await agent.append(SILENCE)
        await agent.append(tone(300, 1.0, RATE))
        await agent.connection.input_audio_buffer.commit()
        await agent.wait_for("input_audio_buffer.committed")
        await agent.connection.response.create()
        await agent.wait_for("response.done")
    (audio,) = heard
    assert audio.duration == pytest.approx(3.5, abs=0.35)
    assert fit_sine(audio.data[0, -16000:], 300, 16000).snr > 20
    assert not agent.of_type("input_audio_buffer.speech_started")
    assert fit_sine(agent.samples()[480:4320], 500, RATE).snr > 40


async def test_who_speaks_meanwhile_interrupts() -> None:
    """The response is cancelled, and the client learns that somebody speaks."""
    interrupted: list[Playback] = []

    class Talker(ReplyOnPause):
        def on_interrupted(self, playback: Playback) -> None:
            interrupted.append(playback)

    prototype = Talker(
        lambda audio: tone(500, 20, RATE),
        model=LoudIsSpeech(),
        algo_options=TurnOptions(silence=0.3, interrupt_after=0.1),
    )
    async with realtime(prototype) as (agent, _):
        await agent.speak(SPEECH)
        await agent.speak(AudioFrame(RATE, SILENCE.data[:, : RATE // 2]))
        await agent.wait_for("response.output_audio.delta")
        await agent.speak(SPEECH)
        done = await agent.wait_for("response.done")
        assert done.response.status == "cancelled"
        assert done.response.status_details.reason == "turn_detected"
        await agent.wait_for("input_audio_buffer.speech_started", 2)
        await agent.speak(SILENCE)
        await agent.wait_for("response.created", 2)
        await agent.connection.response.cancel()
        done = await agent.wait_for("response.done", 2)
        assert done.response.status_details.reason == "client_cancelled"
        count = len(agent.sound())
        await asyncio.sleep(0.2)
        assert len(agent.sound()) == count, "it is silent"
    assert len(interrupted) == 2


async def test_a_handler_that_emits() -> None:
    """Its audio is a response too, which is over when it pauses."""
    async with realtime(Echo()) as (agent, _):
        await agent.speak(tone(500, 0.5, RATE))
        done = await agent.wait_for("response.done")
        assert done.response.status == "completed"
        await agent.speak(tone(500, 0.2, RATE))
        await agent.wait_for("response.done", 2)
    samples = agent.samples()
    assert len(samples) == pytest.approx(0.7 * RATE, abs=RATE * 0.04)
    assert fit_sine(samples[2400:9600], 500, RATE).snr > 30


@pytest.mark.parametrize(
    ("type", "decode"), [("audio/pcmu", decode_mulaw), ("audio/pcma", decode_alaw)]
)
async def test_telephone_formats(type: Any, decode: Any) -> None:
    """G.711 at 8 kHz in both directions."""
    async with realtime(Echo()) as (agent, _):
        formats: Any = {"format": {"type": type}}
        await agent.connection.session.update(
            session={"type": "realtime", "audio": {"input": formats, "output": formats}}
        )
        updated = await agent.wait_for("session.updated")
        assert updated.session.audio.output.format.type == type
        encoded = b"\x2a\x9a" * 800
        for _ in range(5):
            data = base64.b64encode(encoded[:320]).decode()
            await agent.connection.input_audio_buffer.append(audio=data)
            await asyncio.sleep(0.04)
        await agent.wait_for("response.done")
    sound = agent.sound()
    assert len(sound) == pytest.approx(1600, abs=200)
    assert np.abs(decode(sound)[200:1000]).max() > 100


async def test_text_and_items() -> None:
    """What is typed is answered; items can be asked for, and are forgotten when deleted."""
    asked: list[str] = []

    def reply(audio: AudioFrame, *, text: str) -> AudioFrame:
        asked.append(text)
        return tone(500, 0.1, RATE)

    item: Any = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "What is the time?"}],
    }
    async with realtime(answering(reply)) as (agent, _):
        await agent.connection.conversation.item.create(item=item)
        added = await agent.wait_for("conversation.item.added")
        await agent.connection.response.create()
        await agent.wait_for("response.done")
        assert asked == ["What is the time?"]
        await agent.connection.conversation.item.retrieve(item_id=added.item.id)
        retrieved = await agent.wait_for("conversation.item.retrieved")
        assert retrieved.item.content[0].text == "What is the time?"
        await agent.connection.conversation.item.delete(item_id=added.item.id)
        await agent.wait_for("conversation.item.deleted")
        await agent.connection.conversation.item.retrieve(item_id=added.item.id)
        error = await agent.wait_for("error")
        assert error.error.code == "item_retrieve_invalid_item_id"


class Model(AsyncStreamHandler):
    """Speaks the API itself where it wants to."""

    async def receive(self, frame: AudioFrame) -> None: ...

    async def emit(self) -> None:
        await asyncio.Event().wait()

    async def on_message(self, message: Any) -> None:
        if message.get("type") == "session.update":
            name = message["session"]["tools"][0]["name"]
            await self.send_message(
                {
                    "type": "response.function_call_arguments.done",
                    "name": name,
                    "arguments": "{}",
                    "call_id": "1",
                }
            )
        elif message.get("type") == "conversation.item.create":
            transcript = {"role": "user", "text": message["item"]["output"], "final": True}
            await self.send_message({"type": "transcript", "data": transcript})
            raise ValueError("private")

    def copy(self) -> Model:
        return Model()


async def test_a_handler_that_speaks_the_api() -> None:
    """What is for a language model reaches it whole, and its own events reach the client."""
    tools: Any = [{"type": "function", "name": "open_door", "parameters": {}}]
    async with realtime(Model()) as (agent, _):
        await agent.connection.session.update(session={"type": "realtime", "tools": tools})
        call = await agent.wait_for("response.function_call_arguments.done")
        assert call.name == "open_door"
        output: Any = {"type": "function_call_output", "call_id": "1", "output": "opened"}
        await agent.connection.conversation.item.create(item=output)
        said = await agent.wait_for("conversation.item.input_audio_transcription.completed")
        assert said.transcript == "opened"
        error = await agent.wait_for("error")
        assert error.error.type == "server_error"
        assert "private" not in error.error.message


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        ({"type": "nonsense"}, "invalid_value", "Invalid value: 'nonsense'"),
        ({"type": "session.update"}, "missing_required_parameter", "'session'"),
        (
            {
                "type": "session.update",
                "session": {"audio": {"input": {"format": {"type": "mp3"}}}},
            },
            "invalid_value",
            "audio/pcm, audio/pcmu or audio/pcma",
        ),
        (
            {"type": "session.update", "session": {"output_modalities": ["text"]}},
            "unsupported_value",
            "output_modalities",
        ),
        ({"type": "input_audio_buffer.append", "audio": "§"}, "invalid_value", "base64"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "'audio'"),
        ({"type": "response.cancel"}, "response_cancel_not_active", "no active response"),
        ({"type": "conversation.item.delete", "item_id": 5}, "invalid_type", "item_id"),
    ],
)
async def test_what_is_wrong_is_answered(event: Any, code: str, message: str) -> None:
    """By an `error` that names the event, and the session goes on."""
    event["event_id"] = "mine"
    async with realtime(Echo()) as (agent, _):
        await agent.connection.send(event)
        answer = await agent.wait_for("error")
        assert answer.error.event_id == "mine"
        assert answer.error.code == code
        assert message in answer.error.message
        await agent.speak(tone(500, 0.2, RATE))
        await agent.wait_for("response.output_audio.delta")


async def test_a_server_that_is_full() -> None:
    """An `error`, and the code that says to try again later."""
    async with (
        realtime(Echo(), concurrency_limit=1) as (first, url),
        meeting(url) as second,
    ):
        await first.wait_for("session.created")
        error = await second.wait_for("error")
        assert error.error.code == "concurrency_limit_reached"
        await asyncio.wait_for(second.ended.wait(), 5)
        assert not second.of_type("session.created")


async def test_browsers_ask_for_the_subprotocol() -> None:
    """They would not connect without it."""
    async with realtime(Echo()) as (_, url):
        address = url.replace("http", "ws", 1) + "/v1/realtime?model=voice"
        protocols: Any = ["realtime", "openai-insecure-api-key.secret"]
        async with connect_socket(address, subprotocols=protocols) as socket:
            assert socket.subprotocol == "realtime"
            created = json.loads(await socket.recv())
            assert created["session"]["model"] == "voice"
