"""The apps of `docs/learn` do in a browser what their pages promise."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi.responses import Response
from playwright.sync_api import Browser, Page, Playwright, expect

from fastrtc_core import AudioFrame
from fastrtc_core.testing import tone
from fastrtc_handlers.tts import EspeakTTS

from ..handlers.agent.openai_service import Completions
from .conftest import OpenPage
from .support import FLAGS, Server, chromium_path
from .test_demos import MEAN_COLOUR, wait_for_sound
from .tutorial import LEARN

pytestmark = pytest.mark.soak

SPOKEN: list[str | float] = ["good morning", 6.0]
"""What the microphone hears again and again: a sentence, and a pause in s."""


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    voice = EspeakTTS("en-us+f3", speed=150)
    parts = [
        voice.tts(part).data
        if isinstance(part, str)
        else np.zeros((1, round(part * voice.sample_rate)), np.int16)
        for part in SPOKEN
    ]
    spoken = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    spoken.write_bytes(AudioFrame(voice.sample_rate, np.concatenate(parts, axis=1)).to_wav_bytes())
    microphone = ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={spoken}"]
    running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS + microphone)
    yield running
    running.close()


@contextmanager
def running(name: str) -> Iterator[Server]:
    """The app of a tutorial; nothing goes wrong in it."""
    server = Server(Path(__file__).with_name("tutorial.py"), name)
    try:
        server.wait_until_ready()
        yield server
        assert "Traceback" not in server.log.read_text()
    finally:
        server.kill()


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status").first).to_have_text("Connected")


def wait_for_silence(page: Page) -> None:
    """Longer than between two words."""
    page.wait_for_function("""() => new Promise((resolve) => {
      const meter = document.querySelector('[data-part=remote-meter] [role=meter]');
      let loudest = 0;
      const timer = setInterval(() => { loudest = Math.max(loudest, meter.ariaValueNow); }, 50);
      setTimeout(() => { clearInterval(timer); resolve(loudest < 5); }, 9000);
    })""")


def test_echo(open_page: OpenPage) -> None:
    """The voice comes back, until the slider is at 0."""
    with running("echo") as server:
        page = open_page(server.url)
        start(page)
        wait_for_sound(page)
        page.get_by_role("spinbutton").first.fill("0")
        page.keyboard.press("Tab")
        page.wait_for_timeout(500)
        wait_for_silence(page)


def test_echo_on_its_own_page(open_page: OpenPage) -> None:
    """The page without Gradio connects and sends its slider."""
    with running("echo:2") as server:
        page = open_page(server.url)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#state")).to_have_text("connected")
        page.get_by_role("slider").fill("2")


def test_voice_agent(open_page: OpenPage, service: list[Any]) -> None:
    """What is said calls a function; the model is told its result, and its answer is spoken."""
    with running("voice-agent") as server:
        page = open_page(server.url)
        start(page)
        said = page.get_by_role("log", name="What was said")
        expect(said).to_contain_text("Turn on the kitchen lamp.", timeout=30_000)
        expect(said).to_contain_text("It is on.")
    first, second = service[:2]
    assert {tool["function"]["name"] for tool in first["tools"]} == {"switch_lamp", "tell_time"}
    assert [one["role"] for one in second["messages"][-3:]] == ["user", "assistant", "tool"]
    assert second["messages"][-1]["content"] == "The lamp in the kitchen is on."


def test_sign_in(open_page: OpenPage) -> None:
    """A wrong password is refused in words; with the right one, the handler knows the user."""
    with running("sign-in") as server:
        page = open_page(f"{server.url}/voice/")
        for password, text in (
            ("byron", "The name or the password is wrong."),
            ("lovelace", "Hello, ada!"),
        ):
            page.get_by_placeholder("Name").fill("ada")
            page.get_by_placeholder("Password").fill(password)
            page.get_by_role("button").click()
            expect(page.locator("#state")).to_have_text(text)


def test_blocks(open_page: OpenPage) -> None:
    """Sound in one tab, video in the other, both at once."""
    with running("blocks") as server:
        page = open_page(server.url)
        start(page)
        expect(page.get_by_label("Loudness")).to_have_value(re.compile(r"^-?\d+ dB$"))
        page.get_by_role("tab", name="Video").click()
        page.get_by_role("button", name="Start").click()
        videos = "[...document.querySelectorAll('[data-part=remote-video]')]"
        page.wait_for_function(f"{videos}.some((one) => one.videoWidth > 0)")
        shown = page.evaluate_handle(f"{videos}.find((one) => one.videoWidth > 0)")
        red, green, _ = page.evaluate(MEAN_COLOUR, shown)
        assert red > green + 50, "Chromium's green picture in negative"
        page.get_by_role("tab", name="Sound").click()
        expect(page.get_by_role("status").first).to_have_text("Connected")


def test_meeting(open_page: OpenPage) -> None:
    """Two people meet; each sees who said what."""
    with running("meeting") as server:
        pages = {name: open_page(server.url) for name in ("Ada", "Grace")}
        for name, page in pages.items():
            page.get_by_placeholder("Your name").fill(name)
            page.get_by_role("button", name="Join").click()
            expect(page.locator("#state")).to_have_text("connected")
        expect(pages["Ada"].locator("#users")).to_have_text("Scribe, Grace")
        pages["Grace"].get_by_role("button", name="Mute").click()
        for page in pages.values():
            line = page.get_by_role("listitem").filter(has_text="Ada: good morning")
            expect(line.first).to_be_visible(timeout=30_000)
        pages["Ada"].get_by_role("button", name="Leave").click()
        expect(pages["Grace"].locator("#users")).to_have_text("Scribe")


def test_there_is_a_test_for_each() -> None:
    """No tutorial goes untested."""
    names = {path.stem.replace("-", "_") for path in LEARN.glob("*.md")} - {"index"}
    assert {f"test_{name}" for name in names} <= set(globals())


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """An OpenAI-compatible service on this machine; what its language model was asked."""
    call = {"switch_lamp": {"room": "kitchen", "on": True}}
    completions = Completions(call, "It is on.", *["It is on already."] * 20)
    app = completions.app

    @app.post("/v1/audio/transcriptions")
    async def transcriptions() -> dict[str, str]:
        return {"text": "Turn on the kitchen lamp."}

    @app.post("/v1/audio/speech")
    async def speech() -> Response:
        return Response(tone(500, 0.5, 24000).data.tobytes(), media_type="audio/pcm")

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    yield completions.requests
    server.should_exit = True
    thread.join()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tutorial has its reader set."""
    monkeypatch.setenv("JWT_SECRET", "a secret of thirty-two characters")
