"""The adapters for OpenAI-compatible services, against a server on this machine."""

from __future__ import annotations

import asyncio
import io
import threading
import wave
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from fastrtc_core import ConfigurationError
from fastrtc_core.testing import connect, tone
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.stt import OpenAISTT, STTError
from fastrtc_handlers.tts import OpenAITTS, OpenAITTSOptions, TTSError

from ..test_reply_on_pause import agent

KEY = "sk-secret"


class Service:
    """Speaks tones of 0.1 s for each letter, and recognises the number of samples."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.behaviour = "good"
        self.app = FastAPI()
        self.app.post("/v1/audio/speech")(self.speech)
        self.app.post("/v1/audio/transcriptions")(self.transcriptions)

    async def speech(self, request: Request) -> Any:
        body = await request.json()
        self.requests.append((dict(request.headers), body))
        if self.behaviour == "refuses":
            return PlainTextResponse("no such voice", 400)
        return StreamingResponse(self._sound(body["input"]), media_type="audio/pcm")

    async def _sound(self, text: str) -> AsyncIterator[bytes]:
        data = tone(500, 0.1 * len(text), 24000).data.tobytes()
        for start in range(0, len(data), 1001):  # odd: samples are torn apart
            yield data[start : start + 1001]
            if self.behaviour == "hangs":
                await asyncio.sleep(5)

    async def transcriptions(self, request: Request) -> Any:
        async with request.form() as form:
            file: Any = form["file"]
            with wave.open(io.BytesIO(await file.read())) as sound:
                said = f" {sound.getnframes()} at {sound.getframerate()} "
        self.requests.append((dict(request.headers), dict(form)))
        if self.behaviour == "refuses":
            return PlainTextResponse("no money", 429)
        if self.behaviour == "nonsense":
            return PlainTextResponse("hello")
        if self.behaviour == "other":
            return JSONResponse([1, 2])
        if self.behaviour == "hangs":
            await asyncio.sleep(5)
        return {"text": said}


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    config = uvicorn.Config(made.app, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    made.url = f"http://127.0.0.1:{port}/v1/"  # type: ignore[attr-defined]
    yield made
    server.should_exit = True
    thread.join()


def url_of(service: Service) -> str:
    return str(service.url)  # type: ignore[attr-defined]


async def test_a_text_is_spoken(service: Service) -> None:
    """As it comes, whole samples, with the options and the key."""
    options = OpenAITTSOptions(model="m", voice="v", extra={"speed": 1.5})
    tts = OpenAITTS(options, base_url=url_of(service), api_key=KEY)
    frames = [frame async for frame in tts.stream_tts("hello")]
    assert len(frames) > 3
    sound = np.concatenate([frame.data for frame in frames], axis=1)
    assert np.array_equal(sound, tone(500, 0.5, 24000).data)
    ((headers, body),) = service.requests
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "m",
        "voice": "v",
        "input": "hello",
        "response_format": "pcm",
        "speed": 1.5,
    }


async def test_it_is_the_voice_of_an_agent(service: Service) -> None:
    """Sentence by sentence; `stream_tts` is all it has."""
    tts = OpenAITTS(base_url=url_of(service))
    async with connect(agent(lambda audio: "ab. cd.", tts=tts)) as peer:
        assert isinstance(peer.session.handler, ReplyOnPause)
        peer.session.handler.add_text("hello")
        await asyncio.sleep(0.05)
        assert peer.session.handler._reply is not None
        playback = await peer.session.handler._reply
    assert playback.heard == pytest.approx(0.6)
    assert [body["input"] for _, body in service.requests] == ["ab.", "cd."]
    assert not peer.of_type("error")


async def test_a_voice_that_fails(service: Service) -> None:
    """Refused, silent for too long, or not there: an error in words, without the key."""
    tts = OpenAITTS(base_url=url_of(service), api_key=KEY, timeout=0.3)
    for behaviour, message in (("refuses", "400: no such voice"), ("hangs", "cannot be reached")):
        service.behaviour = behaviour
        with pytest.raises(TTSError, match=message) as caught:
            [frame async for frame in tts.stream_tts("hello")]
        assert KEY not in str(caught.value)
    with pytest.raises(TTSError, match="cannot be reached"):
        [frame async for frame in OpenAITTS(base_url="http://127.0.0.1:9/v1").stream_tts("x")]


def test_speech_is_recognised(service: Service) -> None:
    """At 16 kHz, in a file, with the options and the key."""
    stt = OpenAISTT("m", language="en", base_url=url_of(service), api_key=KEY)
    assert stt.stt(tone(500, 0.5, 48000)) == "8000 at 16000"
    assert stt.stt(tone(500, 0.0, 48000)) == ""
    ((headers, form),) = service.requests
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (form["model"], form["language"]) == ("m", "en")


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("refuses", "429: no money"),
        ("nonsense", "no JSON"),
        ("other", "no text"),
        ("hangs", "cannot be reached"),
    ],
)
def test_a_recogniser_that_fails(service: Service, behaviour: str, message: str) -> None:
    """An error in words, without the key."""
    service.behaviour = behaviour
    stt = OpenAISTT(base_url=url_of(service), api_key=KEY, timeout=0.3)
    with pytest.raises(STTError, match=message) as caught:
        stt.stt(tone(duration=0.1))
    assert KEY not in str(caught.value)


def test_where_the_service_is(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    """By the environment; without any hint it is an error."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for make in (OpenAITTS, OpenAISTT):
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
            make()
    monkeypatch.setenv("OPENAI_BASE_URL", url_of(service))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAISTT().stt(tone(duration=0.1)) == "1600 at 16000"
    assert service.requests[0][0]["authorization"] == f"Bearer {KEY}"
