"""A session is recorded, and run again."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fastrtc_core import ConfigurationError, Stream
from fastrtc_core.__main__ import main
from fastrtc_core.client import Client
from fastrtc_core.frames import AudioFrame
from fastrtc_core.operations import flight_recorder
from fastrtc_core.operations.flight_recorder import FlightRecorder
from fastrtc_core.operations.recording import Event, Header, pack, pack_header, read
from fastrtc_core.replay import difference, replay, turn_difference
from fastrtc_core.session import Hooks
from fastrtc_core.testing import connect, run_virtual, tone
from tests.handlers.test_reply_on_pause import SILENCE, agent, take_turn, whole
from tests.webrtc.support import Silent, eventually, gone, speak


def written(folder: Path, within: float = 20.0) -> Path:
    """The one recording there, when the thread that writes it is done."""
    until = time.monotonic() + within
    while any(thread.name.startswith("record-") for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two turns with a voice agent, and a message."""
    folder = tmp_path_factory.mktemp("recordings")

    async def session() -> None:
        hooks = Hooks(around=FlightRecorder(folder))
        async with connect(agent(whole), hooks=hooks, params={"room": 7}, id="a/b") as peer:
            for _ in range(2):
                await take_turn(peer, 1.5)
            peer.send({"hello": 1})
            await peer.speak(SILENCE)

    run_virtual(session())
    return written(folder)


def test_a_replay_is_what_was(conversation: Path) -> None:
    """The same messages at the same times as in the recorded session, and the same sound again."""
    header, events = read(conversation)
    assert (header.webrtc_id, header.params, header.receives) == ("a/b", {"room": 7}, True)
    assert conversation.name.endswith(".jsonl.gz")
    assert "a_b" in conversation.name
    assert events[-1].kind == "end"
    recorded = [(event.at, json.loads(event.data)) for event in events if event.kind == "sent"]
    first = replay(conversation, agent(whole))
    assert [message.type for _, message in first.messages] == [one["type"] for _, one in recorded]
    for (at, message), (then, one) in zip(first.messages, recorded, strict=True):
        assert message.data == one.get("data")
        assert at == pytest.approx(then, abs=0.021)  # a frame
    assert sum(message.data == "pause_detected" for _, message in first.messages) == 2
    again = replay(conversation, agent(whole))
    assert again.messages == first.messages
    assert len(again.audio) == len(first.audio) >= 50
    for (at, heard), (then, before) in zip(again.audio, first.audio, strict=True):
        assert at == then
        assert np.array_equal(heard, before)
    assert difference(first, again) == []
    assert [turn.gap for turn in first.turns] == pytest.approx([0.5, 0.5], abs=0.021)
    assert turn_difference(first, again) == []


def test_another_setting_makes_a_difference(
    conversation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the options of the handler, in the code and on the command line."""
    name = "tests.replay.named:stream"
    assert main(["replay", str(conversation), name]) == 0
    assert capsys.readouterr().out.count("pause_detected") == 2
    assert main(["replay", str(conversation), name, "--set", "silence=1.2"]) == 0
    said = capsys.readouterr().out
    assert said.count("-    ") >= 2
    assert said.count("+    ") >= 2
    # What differs in the record of the turn, in ms: nothing but the silence, and so the gap.
    changed = "    gap             500 ->   1200\n    silence         500 ->   1200\n"
    assert said.startswith(f"turn 1:\n{changed}")
    assert main(["replay", str(conversation), name, "--set", "silense=1"]) == 2
    assert "has no setting 'silense'" in capsys.readouterr().err
    assert main(["replay", str(conversation.parent / "nowhere"), name]) == 2
    assert "nowhere" in capsys.readouterr().err


async def test_a_call_is_recorded_and_redacted(tmp_path: Path) -> None:
    """Over WebRTC: its audio, its messages; what may not be kept is left out."""

    def redact(event: Event) -> Event | None:
        return None if event.kind == "message" and "secret" in event.data else event

    stream = Stream(Silent(), flight_recorder=FlightRecorder(tmp_path / "new", redact=redact))
    async with Client(stream.offer) as client:
        await client.send("my secret")
        await client.send("hello")
        await speak(client, tone(440, duration=0.5))
        await eventually(lambda: stream.snapshot().totals.packets.get("received", 0) > 20)
    await gone(stream)
    header, events = read(await asyncio.to_thread(written, tmp_path / "new"))
    assert header.transport == "webrtc"
    messages = [json.loads(event.data) for event in events if event.kind == "message"]
    assert messages == [{"type": "message", "data": "hello"}]
    sound = [event.data.data for event in events if event.kind == "audio"]
    assert np.abs(np.concatenate(sound, axis=1)).max() > 1000
    assert (events[-1].kind, events[-1].data) == ("end", "client")


async def test_a_disk_that_fails_ends_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call goes on, and one line of the log says why."""

    class Full:
        def open(self, *args: object, **options: object) -> object:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(flight_recorder, "gzip", Full())
    stream = Stream(Silent(), flight_recorder=FlightRecorder(tmp_path))
    async with Client(stream.offer) as client:
        await client.send("hello")
        await eventually(lambda: "recording" in caplog.text)
        assert stream.sessions == 1
    await gone(stream)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - once, at the end
    caplog.clear()


@pytest.mark.real_time  # a thread waits, which virtual time does not see
async def test_a_disk_that_is_slow_delays_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits for it is bounded; then the recording ends, and says so once."""
    monkeypatch.setattr(flight_recorder, "CAPACITY", 8)
    go_on = threading.Event()

    def redact(event: Event) -> Event:
        go_on.wait(10)
        return event

    hooks = Hooks(around=FlightRecorder(tmp_path, redact=redact))
    try:
        async with connect(Silent(), hooks=hooks) as peer:
            await asyncio.sleep(0.1)
            for _ in range(100):
                peer.send("hello")
            assert caplog.text.count("ends early") == 1
    finally:
        go_on.set()
    _, events = read(await asyncio.to_thread(written, tmp_path))
    assert 8 <= len(events) <= 9


def test_what_was_cut_off_is_read_as_far_as_it_goes(conversation: Path, tmp_path: Path) -> None:
    """As after a crash, at any byte."""
    whole_file = conversation.read_bytes()
    _, events = read(conversation)
    cut = tmp_path / "cut.jsonl.gz"
    for size in (len(whole_file) // 3, len(whole_file) - 7):
        cut.write_bytes(whole_file[:size])
        header, some = read(cut)
        assert header.webrtc_id == "a/b"
        assert 0 < len(some) <= len(events)
        assert [event.at for event in some] == [event.at for event in events[: len(some)]]


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}', "hello", "[]"])
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    """In words."""
    file = tmp_path / "other.gz"
    with gzip.open(file, "wt") as writing:
        writing.write(content)
    with pytest.raises(ConfigurationError, match=r"not a recording|later version"):
        read(file)
    file.write_text("plain text")
    with pytest.raises(ConfigurationError, match="not a recording"):
        read(file)


def test_what_json_cannot_say_is_kept_as_text() -> None:
    """Inputs may be anything; bytes and frames come back as they were."""
    assert "<object object" in pack_header(Header("a", "webrtc", args=[object()]))
    frame = AudioFrame(16000, np.arange(6, dtype=np.int16).reshape(2, 3))
    for data in (b"\x00\xff", "text"):
        assert json.loads(pack(Event(1.5, "message", data)))["at"] == 1.5
    assert json.loads(pack(Event(0, "audio", frame)))["channels"] == 2
