"""What an interruption takes back from a client was not heard, and is in no recording."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AsyncStreamHandler, AudioFrame, Playback, Stream
from fastrtc_core.realtime.visit import RealtimeVisit
from fastrtc_core.testing import run_virtual
from fastrtc_core.websocket.socket import DisconnectedError
from fastrtc_core.websocket.unplayed import Unplayed

from ..inside import serve_socket

RATE = 8000
FIRST = 100
"""The first sample that is emitted; each is greater by one than that before."""


class Agent(AsyncStreamHandler):
    """Emits what it is given, and is recorded."""

    path: Path
    now: Agent
    ready: asyncio.Event

    def __init__(self) -> None:
        super().__init__(input_sample_rate=RATE, output_sample_rate=RATE)
        self.queue: asyncio.Queue[AudioFrame] = asyncio.Queue()
        self.playbacks: list[Playback] = []

    async def start_up(self) -> None:
        await self.record(Agent.path, sample_rate=RATE)
        Agent.now = self
        Agent.ready.set()

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> AudioFrame:
        return await self.queue.get()

    async def on_interrupted(self, playback: Playback) -> None:
        self.playbacks.append(playback)

    def copy(self) -> Agent:
        return Agent()


class Client:
    """A socket whose client plays in real time, and discards what waits when it is told to."""

    def __init__(self, start: dict[str, Any] | None, stalls: Mapping[int, float] = {}) -> None:
        self.headers: Mapping[str, str] = {}
        self.query: Mapping[str, str] = {}
        self.incoming: asyncio.Queue[str] = asyncio.Queue()
        if start is not None:
            self.say(start)
        self.played: list[NDArray[np.int16]] = []
        self.events: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self._stalls = dict(stalls)
        self._packets = 0
        self._until = 0.0

    def say(self, message: dict[str, Any]) -> None:
        self.incoming.put_nowait(json.dumps(message))

    async def receive(self) -> str:
        getting, leaving = (
            asyncio.ensure_future(self.incoming.get()),
            asyncio.ensure_future(self.gone.wait()),
        )
        await asyncio.wait({getting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if getting.done():
            return getting.result()
        getting.cancel()
        raise DisconnectedError

    async def send(self, data: str | bytes) -> None:
        now = asyncio.get_running_loop().time
        if isinstance(data, bytes):
            self._packets += 1
            await asyncio.sleep(self._stalls.get(self._packets, 0.0))
            samples = np.frombuffer(data, "<i2")
            self._until = max(self._until, now()) + len(samples) / RATE
            self.played.append(samples)
            return
        event = json.loads(data)
        self.events.append(event)
        if event.get("event") == "clear":
            held = round(max(0.0, self._until - now()) * RATE)
            whole = np.concatenate([np.zeros(0, np.int16), *self.played])
            self.played = [whole[: len(whole) - held]]
            self._until = min(self._until, now())

    async def close(self, code: int, reason: str) -> None:
        self.gone.set()


def recorded(path: Path) -> NDArray[np.int16]:
    """What was sent, as recorded: the right side without the silence."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    right = data[:, 1]
    sounding: NDArray[np.int16] = right[right != 0]
    return sounding


Steps = st.lists(
    st.one_of(
        st.integers(1, 2000),  # samples that are emitted
        st.sampled_from([0.0, 0.004, 0.01, 0.02, 0.05, 0.3]),  # a pause in s
        st.just("clear"),
    ),
    max_size=14,
)


Stalls = st.dictionaries(st.integers(1, 20), st.sampled_from([0.005, 0.03, 0.2, 0.9]), max_size=3)
"""How long in s the socket takes nothing, by the number of the packet."""


@given(Steps, Stalls)
@example([1600, 0.05, "clear", 0.3, 800], {})
@example([320, 0.004, "clear"], {2: 0.005})
@example([160] * 10 + [0.05, "clear"], {2: 0.2})
@example([1600, 0.004, "clear", 800, 0.3], {2: 0.03})
@settings(max_examples=20, deadline=None)
def test_what_is_recorded_is_what_was_played(
    steps: list[int | float | str], stalls: dict[int, float]
) -> None:
    """Whatever the lengths and pauses, the interruptions, and the stalls of the socket."""
    clears = steps.count("clear")

    async def scene() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        Agent.ready = asyncio.Event()
        client = Client(
            {"event": "start", "encoding": "pcm16", "sample_rate": RATE, "binary": True}, stalls
        )
        serving = asyncio.create_task(serve_socket(Stream(Agent()), client))
        await Agent.ready.wait()
        next_sample = FIRST
        for step in steps:
            if step == "clear":
                Agent.now.clear_queue()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, int):
                samples = np.arange(next_sample, next_sample + step).astype(np.int16)
                next_sample += step
                Agent.now.queue.put_nowait(AudioFrame(RATE, samples[None]))
        await asyncio.sleep((next_sample - FIRST) / RATE + sum(stalls.values()) + 0.2)
        client.gone.set()
        await serving
        played = np.concatenate([np.zeros(0, np.int16), *client.played])
        return recorded(Agent.path), played[played != 0]

    with TemporaryDirectory() as folder:
        Agent.path = Path(folder) / "call.wav"
        heard, played = run_virtual(scene())
    # A time in s is rounded to a sample on either side.
    assert len(np.setdiff1d(heard, played)) <= clears
    assert np.all(np.diff(heard) > 0)
    # The client goes on playing while the socket holds up the word that it is to stop.
    late = sum(stalls.values()) * RATE if clears else 0
    assert len(np.setdiff1d(played, heard)) <= clears + late


def ramp(length: float) -> AudioFrame:
    return AudioFrame(RATE, np.arange(FIRST, FIRST + round(length * RATE), dtype=np.int16)[None])


def level(length: float) -> AudioFrame:
    return AudioFrame(RATE, np.full((1, round(length * RATE)), 5000, np.int16))


@pytest.mark.virtual_clock
async def test_a_realtime_client_tells_what_it_has_played(tmp_path: Path) -> None:
    """By `conversation.item.truncate`: the recording ends where it says, and not before."""
    Agent.path, Agent.ready = tmp_path / "call.wav", asyncio.Event()
    client = Client(None)
    serving = asyncio.create_task(serve_socket(Stream(Agent()), client, visit=RealtimeVisit()))
    await Agent.ready.wait()
    Agent.now.queue.put_nowait(level(2.0))
    await asyncio.sleep(1.0)
    client.say({"type": "response.cancel"})
    await asyncio.sleep(0.05)
    before = [event for event in client.events if event["type"] == "response.output_audio.delta"]
    item = before[-1]["item_id"]
    cut = {"type": "conversation.item.truncate", "item_id": item, "content_index": 0}
    client.say({**cut, "audio_end_ms": 700})
    await asyncio.sleep(0.05)
    Agent.now.queue.put_nowait(level(0.5))
    await asyncio.sleep(1.0)
    client.say({**cut, "audio_end_ms": 300})  # others have followed: too late
    await asyncio.sleep(0.1)
    client.gone.set()
    await serving
    assert not [event for event in client.events if event["type"] == "error"]
    # Resampled twice on its way.
    assert np.count_nonzero(recorded(Agent.path) > 2500) == pytest.approx(1.2 * RATE, abs=16)


@pytest.mark.virtual_clock
async def test_what_was_heard_of_a_speech_is_what_was_played(tmp_path: Path) -> None:
    """What is short leaves at once; `playback.heard` counts what can have been played of it."""
    Agent.path, Agent.ready = tmp_path / "call.wav", asyncio.Event()
    client = Client({"event": "start", "encoding": "pcm16", "sample_rate": RATE, "binary": True})
    serving = asyncio.create_task(serve_socket(Stream(Agent()), client))
    await Agent.ready.wait()

    async def speaking() -> AsyncIterator[AudioFrame]:
        yield ramp(0.12)
        await asyncio.Event().wait()

    speech = Agent.now.say(speaking)
    await asyncio.sleep(0.09)
    assert len(np.concatenate(client.played)) == 0.12 * RATE, "all has left"
    assert speech.heard == pytest.approx(0.08, abs=0.011)
    Agent.now.interrupt()
    playback = await speech
    await asyncio.sleep(0.1)
    assert Agent.now.playbacks == [playback]
    (told,) = [event for event in client.events if event.get("type") == "interrupted"]
    assert told["data"]["heard_ms"] == round(1000 * playback.heard)
    client.gone.set()
    await serving
    assert len(recorded(Agent.path)) == pytest.approx(playback.heard * RATE, abs=1)
    assert len(np.concatenate(client.played)) == pytest.approx(playback.heard * RATE, abs=1)


def test_what_a_client_holds() -> None:
    """It plays from when audio comes; what waits for the socket is not played at all."""
    held = Unplayed()
    assert held.length(5.0) == 0
    for _ in range(10):
        held.leave(0.02)
        held.left(10.0)
    assert held.length(10.0) == pytest.approx(0.2)
    assert held.length(10.15) == pytest.approx(0.05)
    held.leave(0.02)
    assert held.length(11.0) == pytest.approx(0.02)
    assert held.take_back(11.0) == pytest.approx(0.02)
    held.left(11.5)
    assert held.length(11.5) == 0
    # The client knows better, and is not believed beyond what it was sent.
    assert held.correct(0.1) == pytest.approx(0.08)
    assert held.correct(0.1) == pytest.approx(0.0)
    held.leave(0.02)
    held.left(12.0)
    assert held.correct(3.0) == pytest.approx(0.02)
