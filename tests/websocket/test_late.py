"""Turns over sockets that stall: what comes late is no silence."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from fastrtc_core import AudioFrame, Stream
from fastrtc_core.media.g711 import encode_mulaw
from fastrtc_handlers import ReplyOnPause, TurnOptions
from fastrtc_handlers.turns import SilenceTurnDetector

from ..handlers.turns.test_taking import LoudIsSpeech
from .test_server import on_a_server

OPTIONS = TurnOptions(silence=0.5)
RATES = {"twilio": 8000, "telnyx": 8000, "plivo": 8000, "websocket": 8000, "realtime": 24000}
TRANSPORTS = list(RATES)


class Line:
    """Sends 20 ms of sound or silence each 20 ms, in the words of a transport; it may stall."""

    def __init__(self, transport: str, socket: Any) -> None:
        self.stalled = False
        self._transport = transport
        self._socket = socket
        self._held: list[str] = []
        self._count = 0

    async def begin(self) -> None:
        starts: dict[str, dict[str, Any]] = {
            "twilio": {"event": "start", "streamSid": "a", "start": {"callSid": "b"}},
            "telnyx": {"event": "start", "stream_id": "a", "start": {"call_control_id": "b"}},
            "plivo": {"event": "start", "start": {"streamId": "a", "callId": "b"}},
            "websocket": {"event": "start", "encoding": "pcm16", "sample_rate": 8000},
        }
        if self._transport in starts:
            await self._socket.send(json.dumps(starts[self._transport]))

    async def speak(self, level: int, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            await self._send(self._message(level))
            await asyncio.sleep(0.02)

    async def catch_up(self) -> None:
        self.stalled = False
        held, self._held = self._held, []
        for message in held:
            await self._socket.send(message)

    async def _send(self, message: str) -> None:
        if self.stalled:
            self._held.append(message)
        else:
            await self._socket.send(message)

    def _message(self, level: int) -> str:
        samples = np.full(RATES[self._transport] // 50, level, np.int16)
        pcm = self._transport in ("websocket", "realtime")
        payload = base64.b64encode(samples.tobytes() if pcm else encode_mulaw(samples)).decode()
        if self._transport == "realtime":
            return json.dumps({"type": "input_audio_buffer.append", "audio": payload})
        self._count += 1
        media = {"payload": payload, "chunk": self._count, "timestamp": 20 * (self._count - 1)}
        return json.dumps({"event": "media", "media": media})


async def turns_of(transport: str, talk: Any) -> list[tuple[float, AudioFrame]]:
    """What a function is given after each turn, and when."""
    turns: list[tuple[float, AudioFrame]] = []
    loop = asyncio.get_running_loop()
    handler = ReplyOnPause(
        lambda audio: turns.append((loop.time(), audio)),
        algo_options=OPTIONS,
        turn_detector=SilenceTurnDetector(0.5, adaptive=False),
        model=LoudIsSpeech(),
        input_sample_rate=8000,
    )
    stream = Stream(handler, modality="audio", mode="send-receive")
    route = {"websocket": "websocket/offer", "realtime": "realtime"}
    async with on_a_server(stream) as url:
        address = f"{url.replace('http', 'ws', 1)}/{route.get(transport, 'telephone/handler')}"
        async with connect(address) as socket:
            line = Line(transport, socket)
            await line.begin()
            await talk(line)
    return turns


def length(audio: AudioFrame) -> float:
    """Of the speech in a turn, in s."""
    return np.count_nonzero(np.abs(audio.data) > 500) / audio.sample_rate


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_stall_within_a_sentence_does_not_part_it(transport: str) -> None:
    """It is whole, though nothing came for a second and a half and then all at once."""

    async def talk(line: Line) -> None:
        await line.speak(1000, 1.0)
        line.stalled = True
        await line.speak(1000, 1.5)
        await line.catch_up()
        await line.speak(1000, 0.5)
        await line.speak(0, 2.0)

    ((_, audio),) = await turns_of(transport, talk)
    assert length(audio) == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_pause_that_comes_late_is_a_pause(transport: str) -> None:
    """Turns are parted by the silence that was sent, whenever it came."""

    async def talk(line: Line) -> None:
        await line.speak(1000, 1.0)
        line.stalled = True
        await line.speak(0, 1.0)
        await line.catch_up()
        await line.speak(0, 0.5)

    ((_, audio),) = await turns_of(transport, talk)
    assert length(audio) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_who_stops_sending_is_answered_all_the_same(transport: str) -> None:
    """After two seconds and the silence that ends a turn."""
    ends: list[float] = []

    async def talk(line: Line) -> None:
        await line.speak(1000, 1.0)
        ends.append(asyncio.get_running_loop().time())
        await asyncio.sleep(4)

    ((answered, audio),) = await turns_of(transport, talk)
    assert length(audio) == pytest.approx(1.0, abs=0.01)
    assert 2.3 <= answered - ends[0] <= 3.0
