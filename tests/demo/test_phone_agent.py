"""The demo `phone_agent`, called as a telephone service calls it, and by its own caller."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import phone_call
from fastrtc_handlers.stt import PocketSphinxSTT

from ..browser.support import Server
from .conftest import StartDemo, read_wav, run_demo, spoken

RATE = 8000

GRAMMAR = """#JSGF V1.0;
grammar answers;
public <answer> = [one moment please] your table for (tonight | tomorrow) is booked
  | thank you for calling goodbye
  | you have no table yet
  | you have a table for (tonight | tomorrow);
"""


@pytest.fixture(scope="module")
def server(start_demo: StartDemo) -> Server:
    return start_demo("phone_agent")


@pytest.fixture(scope="module")
def ear() -> PocketSphinxSTT:
    """Understands what the agent answers."""
    return PocketSphinxSTT(GRAMMAR)


@pytest.mark.soak
async def test_it_greets_books_and_remembers(server: Server, ear: PocketSphinxSTT) -> None:
    """A tool takes a while, which is filled; a key is a turn, and knows what was booked."""
    async with phone_call(server.url) as phone:
        await phone.hear(silence=0)
        assert phone.times[0] < 2
        await phone.press("2")
        await phone.hear(silence=0)
        first = len(phone.heard)
        await phone.hear()
        answer = AudioFrame(RATE, np.concatenate(phone.heard[first:])[np.newaxis])
        assert "no table yet" in ear.stt(answer)
        await phone.speak(spoken("book a table for tomorrow", RATE))
        assert ear.stt(await phone.hear(silence=3.5)) == (
            "one moment please your table for tomorrow is booked"
        )
        await phone.press("2")
        assert ear.stt(await phone.hear()) == "you have a table for tomorrow"


async def test_a_key_cuts_the_agent_short(server: Server) -> None:
    """The service is told to discard what it holds; the rest is not heard."""
    async with phone_call(server.url) as phone:
        await phone.hear(silence=0)
        await asyncio.sleep(1.0)
        await phone.press("1")
        answer = await phone.hear()
        assert "clear" in [message["event"] for message in phone.received]
        assert answer.duration < 3
        assert phone.recording().duration < 7, "the greeting alone is longer"


async def test_the_hash_key_hangs_up(server: Server, ear: PocketSphinxSTT) -> None:
    """After a farewell that was heard to its end: it is marked, and the service says so."""
    async with phone_call(server.url) as phone:
        await phone.hear(silence=0)
        await phone.press("#")
        await phone.hear(silence=0)
        first = len(phone.heard)
        await phone.ended.wait()
        farewell = AudioFrame(RATE, np.concatenate(phone.heard[first:])[np.newaxis])
        assert ear.stt(farewell) == "thank you for calling goodbye"
        assert (phone.socket.close_code, phone.socket.close_reason) == (1000, "close_stream")
        assert phone.received[-1]["event"] == "mark"


@pytest.mark.soak
def test_the_caller_of_the_demo(server: Server, tmp_path: Path) -> None:
    """It tells what happens, in order, and writes what was heard."""
    file = tmp_path / "call.wav"
    keys = ("--keys", "2#", "--write", file)
    run = run_demo("phone_agent", "--call", "--port", str(server.port), *keys)
    assert run.returncode == 0, run.stderr
    told = [re.sub(r"^ *[\d.]+ s +|[\d.]+ s\b", "", line) for line in run.stdout.splitlines()]
    assert "mark heard: to be told when that was heard" in told, "of each answer, some time later"
    assert [line for line in told if not line.startswith("mark heard")] == [
        f"Calling the phone agent at {server.url}",
        "connected",
        "the agent has spoken for ",
        "the caller speaks for ",
        "the agent has spoken for ",
        "the caller presses 2",
        "the agent has spoken for ",
        "the caller presses #",
        "mark end: to be told when that was heard",
        "the agent has spoken for ",
        "the agent has hung up (1000 close_stream)",
        f"Wrote what was heard () to {file}",
    ]
    assert read_wav(file).duration > 5


@pytest.mark.soak
def test_an_impatient_caller(server: Server, tmp_path: Path) -> None:
    """Presses each key while the agent speaks, with a file for a voice."""
    words, file = tmp_path / "words.wav", tmp_path / "call.wav"
    words.write_bytes(spoken("tell me about the food", 22050).to_wav_bytes())
    run = run_demo(
        *("phone_agent", "--call", "--port", str(server.port), "--impatient"),
        *("--play", words, "--keys", "1#", "--write", file),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("clear: what was still to be heard is discarded") >= 2
    assert read_wav(file).duration < 18, "what is said is 20 s long, and the greeting before it 8"


def test_nobody_answers() -> None:
    """The caller says what to do."""
    run = run_demo("phone_agent", "--call", "--port", "9")
    assert run.returncode == 1
    assert "cannot be reached" in run.stderr
    assert "python demo/phone_agent.py" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.soak
def test_only_signed_calls_are_served(
    start_demo: StartDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token, calls are signed; without, they are refused in words."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    server = start_demo("phone_agent")
    call = ("phone_agent", "--call", "--port", str(server.port), "--keys", "")
    run = run_demo(*call, "--impatient", "--write", tmp_path / "call.wav")
    assert run.returncode == 0, run.stderr
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    run = run_demo(*call)
    assert run.returncode == 1
    assert "403: the signature is missing or wrong" in run.stderr
    assert server.interrupt() == 0
    assert "Traceback" not in server.log.read_text()
