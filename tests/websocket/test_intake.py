"""Audio that clients do not send in real time reaches the handler whole."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import AsyncStreamHandler, AudioFrame, AudioStream, RemoteAudioTrack, Stream
from fastrtc_core.realtime.visit import RealtimeVisit
from fastrtc_core.testing import run_virtual
from fastrtc_core.websocket.dialect import BACKLOG
from fastrtc_core.websocket.intake import HASTE, Intake
from fastrtc_core.websocket.socket import DisconnectedError
from fastrtc_core.websocket.visit import DialectVisit, SocketVisit

from ..inside import serve_socket

RATE = 8000
CAPACITY = 8
"""Frames that a session holds for its handler."""


class Ear(AsyncStreamHandler):
    """Hears, in its own time."""

    heard: list[NDArray[np.int16]]
    ready: asyncio.Event

    def __init__(self) -> None:
        super().__init__(input_sample_rate=24000)

    async def start_up(self) -> None:
        Ear.ready.set()

    async def receive(self, frame: AudioFrame) -> None:
        await asyncio.sleep(0.001)
        Ear.heard.append(frame.data[0])

    async def emit(self) -> None:
        await asyncio.sleep(1)

    def copy(self) -> Ear:
        return Ear()


class Line:
    """A socket without a network, whose client has said everything already."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.headers: Mapping[str, str] = {}
        self.query: Mapping[str, str] = {}
        self.incoming = [json.dumps(message) for message in messages]
        self.sent: list[str] = []
        self.gone = asyncio.Event()

    async def receive(self) -> str:
        if self.incoming:
            return self.incoming.pop(0)
        await self.gone.wait()
        raise DisconnectedError

    async def send(self, data: str | bytes) -> None:
        self.sent.append(str(data))

    async def close(self, code: int, reason: str) -> None:
        self.gone.set()


def numbered(count: int) -> NDArray[np.int16]:
    """Samples that are all different, for 1.3 s at 48 kHz."""
    return (np.arange(count) % 65521 - 32000).astype(np.int16)[None]


def pieces(data: NDArray[np.int16], size: int) -> list[str]:
    """Audio in base64, in pieces of so many samples."""
    return [
        base64.b64encode(data[:, start : start + size].tobytes()).decode()
        for start in range(0, data.shape[1], size)
    ]


def of_fastrtc(audio: list[str]) -> list[dict[str, Any]]:
    start: dict[str, Any] = {"event": "start", "encoding": "pcm16", "sample_rate": 24000}
    return [start, *({"event": "media", "media": {"payload": piece}} for piece in audio)]


def of_realtime(audio: list[str]) -> list[dict[str, Any]]:
    return [{"type": "input_audio_buffer.append", "audio": piece} for piece in audio]


async def told_and_heard(
    messages: list[dict[str, Any]], visit: DialectVisit, seconds: float
) -> tuple[list[str], NDArray[np.int16]]:
    Ear.heard, Ear.ready = [], asyncio.Event()
    line = Line(*messages)
    serving = asyncio.create_task(serve_socket(Stream(Ear()), line, visit=visit))
    await Ear.ready.wait()
    await asyncio.sleep(seconds)
    line.gone.set()
    await serving
    return [text for text in line.sent if '"error"' in text], np.concatenate(Ear.heard)


@pytest.mark.virtual_clock
@pytest.mark.parametrize("milliseconds", [20, 60, 100, 200])
@pytest.mark.parametrize(
    ("visit", "dialect"), [(SocketVisit, of_fastrtc), (RealtimeVisit, of_realtime)]
)
async def test_what_is_sent_at_once_is_heard_whole(
    milliseconds: int,
    visit: type[DialectVisit],
    dialect: Callable[[list[str]], list[dict[str, Any]]],
) -> None:
    """Five seconds, in pieces of any length."""
    audio = numbered(5 * 24000)
    told, heard = await told_and_heard(dialect(pieces(audio, 24 * milliseconds)), visit(), 3.0)
    assert not told
    assert np.array_equal(heard[: audio.shape[1]], audio[0])


@pytest.mark.virtual_clock
async def test_ten_seconds_may_wait_and_the_client_is_told() -> None:
    """Once."""
    audio = numbered(15 * 24000)
    told, heard = await told_and_heard(of_fastrtc(pieces(audio, 2400)), SocketVisit(), 6.0)
    assert len(told) == 1
    assert "10 s of it wait already" in told[0]
    length = len(heard)
    assert 10 * 24000 <= length < 11 * 24000
    assert np.array_equal(heard, audio[0, :length])


@pytest.mark.virtual_clock
async def test_push_to_talk_of_a_minute_may_come_at_once() -> None:
    """The Realtime API takes a turn as fast as the client can send it."""
    audio = numbered(60 * 24000)
    told, heard = await told_and_heard(of_realtime(pieces(audio, 4800)), RealtimeVisit(), 17.0)
    assert not told
    assert np.array_equal(heard[: audio.shape[1]], audio[0])


Sent = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.02, 0.1, 1.0]),  # the pause before
        st.integers(0, 4000),  # samples
        st.booleans(),  # at twice the rate
    ),
    max_size=40,
)


@given(Sent, st.sampled_from([0.0, 0.001, 0.009]))
@example([(0.0, 480, False)] * 83, 0.0)
@example([(0.0, 480, False)] * 83, 0.009)
@settings(max_examples=15, deadline=None)
def test_nothing_is_lost_within_the_bound(sent: list[tuple[float, int, bool]], work: float) -> None:
    """Whatever the lengths, pauses and rates, and however the reader uses up its time.

    And once the client sends in real time again, nothing waits any more.
    """
    heard: list[AudioFrame] = []

    async def scene() -> None:
        track = RemoteAudioTrack(RATE, 1)
        stream = AudioStream(track, capacity=CAPACITY, sample_rate=RATE, num_channels=1)
        raw = AudioStream(track, capacity=10_000, sample_rate=2 * RATE, num_channels=1)
        lost: list[int] = []
        intake = Intake(
            track,
            1,
            BACKLOG,
            lambda: stream.room,
            stream.wait_until_read,
            lambda: lost.append(1),
        )

        async def read() -> None:
            while True:
                heard.append(await stream.read())
                await asyncio.sleep(work)

        tasks = [asyncio.create_task(read()), asyncio.create_task(intake.run())]
        await asyncio.sleep(0)
        queued = 0.0
        for pause, count, twice in sent:
            await asyncio.sleep(pause)
            rate = 2 * RATE if twice else RATE
            intake.push(AudioFrame(rate, np.ones((1, count), np.int16)))
            queued += count / rate
            assert intake.queued <= BACKLOG
        if not lost:
            for _ in range(round(queued / (HASTE - 1) / 0.02) + 60):
                intake.push(AudioFrame(RATE, np.ones((1, RATE // 50), np.int16)))
                await asyncio.sleep(0.02)
                queued += 0.02
            if work < 0.005:
                assert intake.queued == 0
            await intake.wait_until_empty()
            await stream.wait_until_read()
            assert stream.dropped == 0
            # What does not fill a frame is kept for the next; a resampler keeps a little, too.
            assert len(heard) == pytest.approx(queued / 0.02, abs=1.5)
        assert raw.dropped == 0
        for task in tasks:
            task.cancel()

    run_virtual(scene())
