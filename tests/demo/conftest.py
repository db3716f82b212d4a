"""The demos as users run them: each program in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.media.resampler import Resampler
from fastrtc_handlers.tts import EspeakTTS

from ..browser.support import ROOT, Server

StartDemo = Callable[[str], Server]


@pytest.fixture(scope="module")
def start_demo() -> Iterator[StartDemo]:
    """Starts the server of a demo, and waits until it answers."""
    servers: list[Server] = []

    def start(name: str) -> Server:
        server = Server(ROOT / "demo" / f"{name}.py", port_option="--port")
        servers.append(server)
        server.wait_until_ready()
        return server

    yield start
    for server in servers:
        server.kill()


def run_demo(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "demo" / f"{name}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def spoken(text: str, rate: int, voice: str = "en-us+f3") -> AudioFrame:
    """A sentence, spoken by eSpeak NG."""
    frame = EspeakTTS(voice, speed=150).tts(text)
    resampler = Resampler(frame.sample_rate, rate, 1)
    return AudioFrame(rate, np.concatenate([resampler.push(frame.data), resampler.flush()], axis=1))


def read_wav(path: Path) -> AudioFrame:
    """A WAV file of one channel."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return AudioFrame(file.getframerate(), samples[np.newaxis])
