"""Servers in processes of their own, speech, and what it takes to hear it in a page."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "test-artifacts"
SENTENCE = (
    "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore. "
    "Every word that you hear has been to the server and back."
)
VOICE_DEMOS = {
    "hello_computer",
    "live_transcript",
    "llm_voice_chat",
    "translator",
    "turn_monitor",
    "voice_agent",
}
NO_PAGE_DEMOS = {"meeting_agent", "phone_agent", "production", "ray_serve", "transcribe_file"}
SEVERAL_PAGES_DEMOS = {"meeting"}
START_TIMEOUT = 80.0  # s; gradio takes a while to import on a busy machine
RATE = 16000  # Hz, of recordings

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # A name that is not localhost, and so no secure context.
    "--host-resolver-rules=MAP insecure.test 127.0.0.1",
]


def chromium_path() -> str:
    """The browser to test with."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("FASTRTC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found, "no Chromium found; scripts/test installs one"
    return found


class BrowserPage(Protocol):
    """What a page of any browser can do, by the names that Playwright has for it."""

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """The value of an expression, of a function with `arg`, or of the promise of either."""

    def wait_for_function(
        self, expression: str, *, arg: Any = None, timeout: float | None = None
    ) -> Any:
        """Wait until an expression is true; `timeout` is in ms."""

    def wait_for_timeout(self, timeout: float) -> None:
        """Wait for some milliseconds."""


OpenAnyPage = Callable[[str], BrowserPage]


class Server:
    """A program that serves HTTP, run as users run it: in a process of its own."""

    def __init__(self, script: Path, *arguments: str, port_option: str | None = None) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        port = [str(self.port)] if port_option is None else [port_option, str(self.port)]
        ARTIFACTS.mkdir(exist_ok=True)
        (ARTIFACTS / ".gitignore").write_text("*\n")
        # Another process of the same test run may run the same program.
        names = (script.stem, *arguments, os.environ.get("PYTEST_XDIST_WORKER", ""))
        self.log = ARTIFACTS / f"{'-'.join(filter(None, names))}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script), *arguments, *port],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # In the background of a shell it would not hear Ctrl+C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def wait_until_ready(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"the server is silent:\n{self.log.read_text()}"
            time.sleep(0.1)

    def get(self, path: str) -> str:
        """The text of a page."""
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            text: str = response.read().decode()
            return text

    def interrupt(self) -> int:
        """Ctrl+C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            self.get("/")
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


@contextmanager
def serving(app: str) -> Iterator[Server]:
    """One of the apps of `server.py`."""
    server = Server(Path(__file__).with_name("server.py"), app)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_speech(path: Path) -> None:
    """A spoken sentence as a WAV file; syllables of noise where no espeak-ng is installed."""
    if espeak := shutil.which("espeak-ng"):
        subprocess.run([espeak, "-v", "en", "-s", "150", "-w", str(path), SENTENCE], check=True)
        return
    random = np.random.default_rng(1)
    syllables = [
        np.hanning(length) * random.standard_normal(length).cumsum().clip(-30, 30) * 300
        for length in random.integers(1500, 5000, 60)
    ]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(np.concatenate(syllables).astype("<i2").tobytes())


def read_speech(path: Path) -> NDArray[np.float64]:
    """The samples of a WAV file at the rate of recordings."""
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        rate = file.getframerate()
    times = np.arange(int(len(samples) * RATE / rate)) / RATE
    resampled: NDArray[np.float64] = np.interp(times, np.arange(len(samples)) / rate, samples)
    return resampled


# Records streams side by side, a row for each channel; {streams} is an expression.
_RECORD = """async ([expression, seconds, rate, channels]) => {
  const streams = eval(expression);
  const context = new AudioContext({ sampleRate: rate });
  const code = `registerProcessor("recorder", class extends AudioWorkletProcessor {
    process([input]) { this.port.postMessage(input.map((row) => row.slice())); return true; }
  })`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  const recorder = new AudioWorkletNode(context, "recorder",
    { channelCount: streams.length * channels, channelCountMode: "explicit" });
  const merger = new ChannelMergerNode(context, { numberOfInputs: streams.length * channels });
  streams.forEach((stream, index) => {
    const source = context.createMediaStreamSource(stream);
    if (channels === 1) source.connect(merger, 0, index);
    else {
      const splitter = new ChannelSplitterNode(context, { numberOfOutputs: channels });
      source.connect(splitter);
      for (let k = 0; k < channels; k++) splitter.connect(merger, k, index * channels + k);
    }
  });
  const rows = Array.from({ length: streams.length * channels }, () => []);
  // By its samples: a browser on a slow machine takes a second or two to open its speakers.
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("nothing is recorded")), (seconds + 10) * 1000);
    recorder.port.onmessage = ({ data }) => {
      data.forEach((part, row) => rows[row].push(...part));
      if (rows[0].length >= seconds * rate) resolve();
    };
    merger.connect(recorder);
  });
  await context.close();
  return rows.map((row) => {
    const bytes = new Uint8Array(Float32Array.from(row).buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192)
      text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  });
}"""


def record(
    page: BrowserPage,
    streams: str,
    seconds: float,
    *,
    rate: int = RATE,
    channels: int = 1,
) -> NDArray[np.float64]:
    """What sounds in some media streams: one row per stream and channel.

    Args:
        page: The page that has them.
        streams: A JavaScript expression, an array of `MediaStream`.
        seconds: How long.
        rate: Of the recording, in Hz.
        channels: Of each stream.
    """
    rows: list[str] = page.evaluate(_RECORD, [streams, seconds, rate, channels])
    decoded = [np.frombuffer(base64.b64decode(row), "<f4").astype(float) for row in rows]
    return np.array([row[: min(map(len, decoded))] for row in decoded])


def correlate(part: NDArray[Any], whole: NDArray[Any]) -> tuple[float, int]:
    """Where in a longer signal a part is found, and how alike the two are there.

    Returns:
        The best normalised correlation, -1 to 1, and the index in `whole` where it is reached.
    """
    size = len(whole) + len(part)
    spectrum = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size))
    products = np.fft.irfft(spectrum, size)[: len(whole) - len(part) + 1]
    power = np.concatenate([[0.0], np.cumsum(whole**2)])
    power = power[len(part) :] - power[: -len(part)]
    likeness = products / np.sqrt(np.maximum(power * np.sum(part**2), 1e-12))
    best = int(np.argmax(likeness))
    return float(likeness[best]), best


def envelope(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Loudness over time, 100 values per second, mean removed."""
    step = RATE // 100
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    loudness = np.sqrt(np.mean(whole**2, axis=1))
    centred: NDArray[np.float64] = loudness - loudness.mean()
    return centred
