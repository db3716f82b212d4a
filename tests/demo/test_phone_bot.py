"""The demo `phone_bot`, called as a telephone service calls it, and by its own caller."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest

from fastrtc_core import AudioFrame
from fastrtc_core.testing import phone_call
from fastrtc_handlers.stt import PocketSphinxSTT

from ..browser.support import Server, correlate
from .conftest import StartDemo, read_wav, run_demo, spoken

RATE = 8000

GRAMMAR = """#JSGF V1.0;
grammar answers;
public <answer> = the (light | radio | heating) is (on | off)
  | thank you for calling goodbye
  | you have not said anything yet;
"""


@pytest.fixture(scope="module")
def server(start_demo: StartDemo) -> Server:
    return start_demo("phone_bot")


@pytest.fixture(scope="module")
def ear() -> PocketSphinxSTT:
    """Understands what the bot answers."""
    return PocketSphinxSTT(GRAMMAR)


@pytest.mark.soak
async def test_it_greets_understands_and_repeats(server: Server, ear: PocketSphinxSTT) -> None:
    """A sentence is answered as it should be; key 2 plays the sentence itself."""
    loop = asyncio.get_running_loop()
    said = spoken("turn on the light", RATE)
    async with phone_call(server.url) as phone:
        greeting = await phone.hear()
        assert phone.times[0] < 2
        assert greeting.duration > 4
        await phone.press("2")
        assert ear.stt(await phone.hear()) == "you have not said anything yet"
        await phone.speak(said)
        spoke = loop.time()
        answer = await phone.hear(silence=1.0)
        took = loop.time() - spoke - answer.duration - 1.0
        assert ear.stt(answer) == "the light is on"
        assert 0.2 < took < 2.5
        await phone.press("2")
        repeated = await phone.hear()
        assert likeness(repeated, said) > 0.8


async def test_a_key_cuts_the_bot_short(server: Server) -> None:
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
    run = run_demo("phone_bot", "--call", "--port", str(server.port), *keys)
    assert run.returncode == 0, run.stderr
    told = [re.sub(r"^ *[\d.]+ s +|[\d.]+ s\b", "", line) for line in run.stdout.splitlines()]
    assert told == [
        f"Calling the phone bot at {server.url}",
        "connected",
        "the bot has spoken for ",
        "the caller speaks for ",
        "the bot has spoken for ",
        "the caller presses 2",
        "the bot has spoken for ",
        "the caller presses #",
        "mark end: to be told when that was heard",
        "the bot has spoken for ",
        "the bot has hung up (1000 close_stream)",
        f"Wrote what was heard () to {file}",
    ]
    assert likeness(read_wav(file), spoken("what time is it", RATE)) > 0.8


@pytest.mark.soak
def test_an_impatient_caller(server: Server, tmp_path: Path) -> None:
    """Presses each key while the bot speaks, with a file for a voice."""
    words, file = tmp_path / "words.wav", tmp_path / "call.wav"
    words.write_bytes(spoken("say something long", 22050).to_wav_bytes())
    run = run_demo(
        *("phone_bot", "--call", "--port", str(server.port), "--impatient"),
        *("--play", words, "--keys", "1#", "--write", file),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("clear: what was still to be heard is discarded") >= 2
    assert read_wav(file).duration < 18, "what is said is 20 s long, and the greeting before it 7"


def test_nobody_answers() -> None:
    """The caller says what to do."""
    run = run_demo("phone_bot", "--call", "--port", "9")
    assert run.returncode == 1
    assert "cannot be reached" in run.stderr
    assert "python demo/phone_bot.py" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.soak
def test_only_signed_calls_are_served(
    start_demo: StartDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token, calls are signed; without, they are refused in words."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    server = start_demo("phone_bot")
    call = ("phone_bot", "--call", "--port", str(server.port), "--keys", "")
    run = run_demo(*call, "--impatient", "--write", tmp_path / "call.wav")
    assert run.returncode == 0, run.stderr
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    run = run_demo(*call)
    assert run.returncode == 1
    assert "403: the signature is missing or wrong" in run.stderr
    assert server.interrupt() == 0
    assert "Traceback" not in server.log.read_text()


def likeness(heard: AudioFrame, said: AudioFrame) -> float:
    """How much something that was said is found in what was heard."""
    return correlate(said.data[0].astype(float), heard.data[0].astype(float))[0]
