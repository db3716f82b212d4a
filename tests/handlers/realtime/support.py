"""A model behind our own Realtime server, a stand-in of a service, and callers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import FastAPI
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from fastrtc_core import AudioFrame, Stream
from fastrtc_core.testing import InProcessPeer
from fastrtc_handlers import ReplyOnPause, TurnOptions
from fastrtc_handlers.realtime import OpenAIRealtime, RealtimeHandler

from ...webrtc.support import eventually, gone, serving
from ..turns.test_taking import LoudIsSpeech

RATE = 24000


def steady(seconds: float, rate: int = RATE) -> AudioFrame:
    """A sound of which every sample counts."""
    return AudioFrame(rate, np.full((1, round(seconds * rate)), 1000, np.int16))


SILENCE = AudioFrame(RATE, np.zeros((1, RATE), np.int16))
SPEECH = steady(0.6)
TURNS = TurnOptions(silence=0.3, interrupt_after=0.1)


class Bridge(OpenAIRealtime):
    """Notes what it is told of what goes on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.states: list[str] = []

    def on_status(self, state: str, tool: str) -> None:
        if self.states[-1:] != [tool or state]:
            self.states.append(tool or state)


class Talker(ReplyOnPause):
    """Stands for a model: answers each turn with what a test says, and notes what it is told.

    Copies note into the lists of the prototype.
    """

    def __init__(self, reply: Callable[..., Any], **options: Any) -> None:
        # What it hears may be turns and nothing between them.
        options.setdefault("algo_options", replace(TURNS, pre_roll=0.0))
        super().__init__(reply, model=LoudIsSpeech(), input_sample_rate=RATE, **options)
        self.prototype = self
        self.told: list[dict[str, Any]] = []
        self.talkers: list[Talker] = []

    def copy(self) -> Talker:
        copy = super().copy()
        copy.prototype = self
        self.talkers.append(copy)
        return copy

    def on_message(self, message: Any) -> None:
        self.prototype.told.append(message)
        super().on_message(message)

    def of_type(self, type: str) -> list[dict[str, Any]]:
        return [message for message in self.told if message.get("type") == type]


@asynccontextmanager
async def behind(
    talker: Talker, *, make: type[OpenAIRealtime] = Bridge, **options: Any
) -> AsyncIterator[OpenAIRealtime]:
    """A bridge to our own server, behind which this is the model."""
    stream = Stream(talker, modality="audio", mode="send-receive")
    app = FastAPI()
    stream.mount(app, path="/v1")
    async with serving(app) as url:
        yield make(
            options.pop("instructions", "Be brief."),
            base_url=f"{url}/v1",
            api_key="secret",
            **options,
        )
        await gone(stream)


class Service:
    """A stand-in of a service, which follows a script; a test says what it sends.

    Attributes:
        url: Its address.
        received: Every message that came.
        requests: The headers of each connection.
        refusals: Statuses of HTTP with which the next connections are refused.
    """

    def __init__(self, script: Callable[[Service, dict[str, Any]], Any]) -> None:
        self.script = script
        self.url = ""
        self.received: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.refusals: list[int] = []
        self.socket: ServerConnection | None = None

    async def send(self, *messages: dict[str, Any]) -> None:
        assert self.socket is not None
        for message in messages:
            await self.socket.send(json.dumps(message))

    def of(self, type: str) -> list[dict[str, Any]]:
        """What came, by the type of an event or the only field of a message."""
        return [each for each in self.received if each.get("type") == type or type in each]

    def _admit(self, socket: ServerConnection, request: Any) -> Any:
        self.requests.append(dict(request.headers.raw_items()))
        if self.refusals:
            return socket.respond(HTTPStatus(self.refusals.pop(0)), "no\n")
        return None

    async def _meet(self, socket: ServerConnection) -> None:
        self.socket = socket
        try:
            async for text in socket:
                message = json.loads(text)
                self.received.append(message)
                await self.script(self, message)
        except ConnectionClosed:
            pass

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Service]:
        async with serve(self._meet, "127.0.0.1", 0, process_request=self._admit) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            yield self


def bridge_of(peer: InProcessPeer) -> RealtimeHandler:
    handler = peer.session.handler
    assert isinstance(handler, RealtimeHandler)
    return handler


async def in_state(peer: InProcessPeer, state: str) -> None:
    await eventually(lambda: bridge_of(peer).state == state, f"the state {state}", within=30)


def heard(peer: InProcessPeer) -> float:
    """How much sound in s the caller heard."""
    return float(sum(np.count_nonzero(timed.data) for _, timed in peer.heard)) / RATE


async def speak(peer: InProcessPeer, *sounds: AudioFrame) -> None:
    for sound in sounds:
        await peer.speak(sound)
