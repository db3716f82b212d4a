"""The pictures of the documentation: each app is used in Chromium, and shown light and dark."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from fastrtc_core import AudioFrame
from fastrtc_handlers.tts import EspeakTTS

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 900, "height": 740}  # px
SCHEMES = ("light", "dark")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
FLAGS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


def use_echo(page: Page) -> None:
    """Somebody speaks."""
    page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(4000)


def use_voice_agent(page: Page) -> None:
    """A question and its answer."""
    page.get_by_role("button", name="Start").click()
    page.get_by_text(re.compile(r"It is \d")).wait_for(timeout=40_000)
    page.wait_for_timeout(1000)


def use_blocks(page: Page) -> None:
    """The tab with the camera."""
    page.get_by_role("tab", name="Video").click()
    page.get_by_role("button", name="Start").last.click()
    page.wait_for_timeout(5000)


def use_meeting(page: Page) -> None:
    """Two people, of whom one speaks."""
    other = page.context.new_page()
    for one, name in ((other, "Grace"), (page, "Ada")):
        if one is other:
            one.goto(page.url)
        one.get_by_label("Your name").fill(name)
        one.get_by_role("button", name="Join").click()
        one.wait_for_timeout(1500)
    other.get_by_role("button", name="Mute").click()
    other.get_by_label("Write to everybody").fill("Good morning!")
    other.get_by_role("button", name="Send", exact=True).click()
    page.bring_to_front()
    page.wait_for_timeout(2500)


def tutorial(name: str) -> str:
    """The app of a tutorial: its first block."""
    text = (ROOT / "docs" / "learn" / f"{name}.md").read_text("utf-8")
    found = BLOCK.search(text)
    assert found
    return found[1]


Spoken = list[str | float]

PICTURES: dict[str, tuple[str | Path, Callable[[Page], None], Spoken]] = {
    "echo": (tutorial("echo"), use_echo, ["This is an echo while somebody speaks."]),
    "voice-agent": (
        ROOT / "demo/voice_agent.py",
        use_voice_agent,
        [6.0, "turn on the light", 5.0, "what time is it", 20.0],
    ),
    "blocks": (tutorial("blocks"), use_blocks, ["one two three"]),
    "meeting": (ROOT / "demo/meeting.py", use_meeting, ["Good morning to all of you."]),
}
"""By name: the program, what is done in its page, and what the microphone hears: sentences, and
pauses in s."""


def speak(parts: Spoken, file: Path) -> None:
    """What a microphone hears again and again."""
    voice = EspeakTTS("en-us", speed=150)
    audio = [
        voice.tts(part).data
        if isinstance(part, str)
        else np.zeros((1, round(part * voice.sample_rate)), np.int16)
        for part in parts
    ]
    file.write_bytes(AudioFrame(voice.sample_rate, np.concatenate(audio, axis=1)).to_wav_bytes())


@contextmanager
def running(program: str | Path) -> Iterator[str]:
    """Start a program, a file or its text; the address of its page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port)] if isinstance(program, Path) else []
        if isinstance(program, str):
            (file := Path(folder) / "app.py").write_text(program)
        else:
            file = program
        environment = {
            **os.environ,
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ANALYTICS_ENABLED": "0",
        }
        process = subprocess.Popen([sys.executable, file, *options], env=environment, cwd=folder)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                assert process.poll() is None, "the app has ended"
                try:
                    urllib.request.urlopen(url, timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            process.kill()
            process.wait()


def take(browser: Browser, url: str, scheme: str, use: Callable[[Page], None], file: Path) -> None:
    """One picture, as small as it looks good."""
    context = browser.new_context(
        viewport=SIZE, color_scheme=scheme, permissions=["microphone", "camera"]
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(2500)  # fonts, and what Gradio draws late
    use(page)
    Image.open(io.BytesIO(page.screenshot())).save(file, quality=80, method=6)
    context.close()
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")


def main() -> None:
    wanted = sys.argv[1:] or list(PICTURES)
    if unknown := set(wanted) - PICTURES.keys():
        raise SystemExit(f"There is no picture {unknown.pop()!r}; there are {', '.join(PICTURES)}.")
    IMAGES.mkdir(exist_ok=True)
    chromium = os.environ.get("FASTRTC_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            program, use, spoken = PICTURES[name]
            speak(spoken, speech := Path(folder) / f"{name}.wav")
            flags = [*FLAGS, f"--use-file-for-fake-audio-capture={speech}"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            for scheme in SCHEMES:
                # A server for each, so that nobody finds what was said before.
                with running(program) as url:
                    take(browser, url, scheme, use, IMAGES / f"{name}-{scheme}.webp")
            browser.close()


if __name__ == "__main__":
    main()
