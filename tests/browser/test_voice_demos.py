"""The demos that understand speech: what Chromium says into them, they answer."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from playwright.sync_api import Browser, Page, Playwright, expect

from fastrtc_core import AudioFrame
from fastrtc_core.testing import tone
from fastrtc_handlers.tts import EspeakTTS

from .conftest import OpenPage, Screenshot
from .support import FLAGS, ROOT, VOICE_DEMOS, Server, chromium_path
from .test_demos import visiting, wait_for_sound

SPOKEN: dict[str, list[str | float]] = {
    "voice_agent": [
        5.0,
        "turn on the light",
        4.0,
        "say something long",
        4.0,
        "what time is it",
        9.0,
    ],
    "hello_computer": [4.0, "what time is it", 2.0, "hello computer, turn off the radio", 9.0],
    "live_transcript": [4.0, "monday tuesday wednesday sunday", 1.5, "friday", 9.0],
    "llm_voice_chat": [4.0, "what is the meaning of all this", 20.0],
    "translator": [4.0, "where is the station", 9.0],
    "turn_monitor": [4.0, "turn on the light in the kitchen", 6.0, "and turn it off again", 9.0],
}
"""What is said to each: sentences, and pauses in s between them."""


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_")


@pytest.fixture
def browser(playwright: Playwright, name: str, tmp_path: Path) -> Iterator[Browser]:
    """A browser whose microphone hears the sentences for one demo."""
    voice = EspeakTTS("en-us+f3", speed=150)
    parts = [
        voice.tts(part).data
        if isinstance(part, str)
        else np.zeros((1, round(part * voice.sample_rate)), np.int16)
        for part in SPOKEN[name]
    ]
    spoken = tmp_path / "spoken.wav"
    spoken.write_bytes(AudioFrame(voice.sample_rate, np.concatenate(parts, axis=1)).to_wav_bytes())
    microphone = ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={spoken}"]
    running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS + microphone)
    yield running
    running.close()


@pytest.fixture
def demo(name: str, open_page: OpenPage, screenshot: Screenshot) -> Iterator[Page]:
    """The page of the demo that the test is named for, connected; Ctrl+C in the end."""
    server = Server(ROOT / "demo" / f"{name}.py", port_option="--port")
    try:
        with visiting(server, open_page) as page:
            yield page
            screenshot(page, f"demo-{name}")
    finally:
        server.kill()


@pytest.mark.soak
def test_voice_agent(demo: Page) -> None:
    """It greets, obeys, is interrupted, and shows how long each answer took."""
    expect(demo.get_by_text("What can I do for you?")).to_be_visible()
    expect(demo.get_by_text("The light is on.")).to_be_visible()
    expect(demo.get_by_text("Very well.", exact=False)).to_be_visible()
    # What was not heard of it is not shown.
    expect(demo.get_by_text("That was all", exact=False)).to_have_count(0)
    expect(demo.get_by_text(re.compile(r"It is \d\d \d\d"))).to_be_visible()
    expect(demo.locator(".vega-embed canvas, .vega-embed svg").first).to_be_visible()


@pytest.mark.soak
def test_hello_computer(demo: Page) -> None:
    """It answers what was said to it, and nothing else."""
    log = demo.get_by_label("Conversation")
    expect(log).to_have_value("You: turn off the radio\nComputer: The radio is off.\n")
    wait_for_sound(demo)


@pytest.mark.soak
def test_live_transcript(demo: Page) -> None:
    """The words are there while they are said, and then for good."""
    expect(demo.get_by_label("Being said")).to_have_value(re.compile("monday tuesday"))
    final = demo.get_by_label("Transcript")
    expect(final).to_have_value(re.compile("monday tuesday wednesday sunday\n.*friday\n"))
    expect(demo.get_by_label("Being said")).to_have_value("")


@pytest.mark.soak
def test_translator(demo: Page) -> None:
    """It shows what it has understood, and says it in another language."""
    expect(demo.get_by_text("where is the station")).to_be_visible()
    expect(demo.get_by_text("Wo ist der Bahnhof?")).to_be_visible()
    wait_for_sound(demo)


@pytest.mark.soak
def test_llm_voice_chat(service: list[Any], demo: Page) -> None:
    """What was said goes to the model, and what it writes is spoken while it writes."""
    expect(demo.get_by_text("What does it mean?")).to_be_visible()
    wait_for_sound(demo)
    expect(demo.get_by_text("Forty-two. I am quite sure.")).to_be_visible()
    (chat,) = (body for path, body in service if path == "chat")
    assert [message["role"] for message in chat["messages"]] == ["system", "user"]
    assert chat["stream"] is True
    spoken = [body["input"] for path, body in service if path == "speech"]
    assert spoken == ["Forty-two.", "I am quite sure."]


@pytest.mark.soak
def test_turn_monitor(demo: Page) -> None:
    """It shows how loud somebody is, and why each turn ended."""
    ends = demo.get_by_role("region", name="Why turns ended").get_by_role("row")
    expect(ends.nth(2), "two turns and the head").to_be_visible(timeout=30_000)
    cells = ends.nth(1).get_by_role("cell").all_inner_texts()
    speech, silence = (float(text.removesuffix(" s")) for text in cells[2:4])
    assert 0.5 < speech < 3.5
    parts = [float(part.split()[0]) for part in cells[4].split(" + ")]
    assert sum(parts) - 0.02 < silence < sum(parts) + 0.1
    for name in ("level", "voice", "floor"):
        expect(demo.locator(f"#{name}")).to_have_text(re.compile(r"^-\d+ dB$"))
    drawn = demo.locator("#chart").evaluate(COLOURS_OF)
    assert drawn > 5, "the curves and bars are there"


# How many colours cover more than 50 pixels of a canvas.
COLOURS_OF = """(canvas) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const counts = new Map();
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 255) continue;
    const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  return [...counts.values()].filter((count) => count > 50).length;
}"""


def test_there_is_a_test_for_each() -> None:
    """No demo goes untested."""
    assert {f"test_{name}" for name in VOICE_DEMOS} <= set(globals())
    assert set(SPOKEN) == VOICE_DEMOS


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """An OpenAI-compatible service on this machine; what it was asked."""
    app, asked = FastAPI(), list[Any]()

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        asked.append(("chat", await request.json()))
        tokens = ["Forty", "-two", ". I am", " quite", " sure."]
        events = [json.dumps({"choices": [{"delta": {"content": token}}]}) for token in tokens]
        lines = (f"data: {event}\n\n" for event in [*events, "[DONE]"])
        return StreamingResponse(lines, media_type="text/event-stream")

    @app.post("/v1/audio/transcriptions")
    async def transcriptions(request: Request) -> dict[str, str]:
        async with request.form() as form:
            asked.append(("transcription", dict(form)))
        return {"text": "What does it mean?"}

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        body = await request.json()
        asked.append(("speech", body))
        return Response(tone(500, 1.0, 24000).data.tobytes(), media_type="audio/pcm")

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    for variable in ("STT_MODEL", "TTS_MODEL", "LLM_MODEL", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    yield asked
    server.should_exit = True
    thread.join()
