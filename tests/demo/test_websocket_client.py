"""The program of the demo `websocket_client`; its page is in `tests/browser`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fastrtc_core import Stream
from fastrtc_core.testing import delay_of
from fastrtc_handlers import Echo

from ..browser.support import Server
from ..webrtc.support import eventually
from ..websocket.support import connected
from ..websocket.test_server import on_a_server
from .conftest import StartDemo, read_wav, run_demo, spoken

RATE = 24000


@pytest.fixture(scope="module")
def server(start_demo: StartDemo) -> Server:
    return start_demo("websocket_client")


def test_a_file_comes_back(server: Server, tmp_path: Path) -> None:
    """Half a second later, the same; messages and figures are printed."""
    words, heard = tmp_path / "words.wav", tmp_path / "heard.wav"
    said = spoken("the quick brown fox jumps over the lazy dog", RATE)
    words.write_bytes(said.to_wav_bytes())
    port = ("--port", str(server.port))
    run = run_demo("websocket_client", "--client", *port, "--play", words, "--write", heard)
    assert run.returncode == 0, run.stderr
    assert "Hello! You hear yourself half a second later." in run.stdout
    assert "closed: 1000 client" in run.stdout
    assert re.search(r"a message and its answer: [\d.]+ ms, [\d.]+ ms at most", run.stdout)
    figures = re.search(r"server and back: ([\d.]+) s, alike by ([\d.]+)", run.stdout)
    assert figures, run.stdout
    assert 0.5 <= float(figures[1]) < 0.7
    assert float(figures[2]) > 0.95
    _, correlation = delay_of(read_wav(heard).data[0], said.data[0], RATE)
    assert correlation > 0.95


@pytest.mark.soak
def test_a_tone_comes_back(server: Server, tmp_path: Path) -> None:
    """Where no file is given."""
    file = tmp_path / "heard.wav"
    run = run_demo("websocket_client", "--client", "--port", str(server.port), "--write", file)
    assert run.returncode == 0, run.stderr
    assert re.search(r"alike by (1\.00|0\.9\d)", run.stdout)


@pytest.mark.soak
def test_the_end_of_the_server_is_told(start_demo: StartDemo, tmp_path: Path) -> None:
    """What came until then is written."""
    server = start_demo("websocket_client")
    file = tmp_path / "heard.wav"

    async def run() -> str:
        program = asyncio.create_task(
            asyncio.to_thread(
                run_demo,
                *("websocket_client", "--client", "--port", str(server.port), "--write", file),
            )
        )
        # The demo greets whoever comes, and says so in its log of requests.
        await eventually(lambda: "[accepted]" in server.log.read_text(), "the client", 30)
        await asyncio.sleep(1)
        server.interrupt()
        return (await program).stdout

    assert "closed: 1001" in asyncio.run(run())


async def test_a_refusal_is_told() -> None:
    """In the words of the server, with code and reason."""
    async with on_a_server(Stream(Echo(), concurrency_limit=1)) as url:
        async with connected(url):
            port = str(urlsplit(url).port)
            run = await asyncio.to_thread(run_demo, "websocket_client", "--client", "--port", port)
    assert run.returncode == 1
    assert "refused: " in run.stdout
    assert "closed: 1013 concurrency_limit_reached" in run.stdout
    assert "Nothing came back." in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "9"), "Start the server first"),
        (("--play", __file__), "is no audio file"),
        pytest.param(("--play", "missing.wav"), "is no audio file", marks=pytest.mark.soak),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], message: str) -> None:
    """Is told in a sentence or two."""
    run = run_demo("websocket_client", "--client", *arguments)
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr
