"""What the tests over real peer connections share: servers, handlers, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import uvicorn
from aiortc import RTCPeerConnection, RTCSessionDescription
from fastapi import FastAPI
from numpy.typing import NDArray

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    AudioStream,
    Stream,
    get_current_context,
)
from fastrtc_core.client import Client

from ..inside import channel_of

PATIENCE = 5.0
"""How long in s a test waits for what must happen."""

OWN_PORTS: dict[str, Any] = {"udp_port_range": (20000, 60000)}
"""Options of a stream or engine whose sessions have ports of their own, and agents of aioice."""


async def eventually(
    condition: Callable[[], Any], what: str = "the condition", within: float = PATIENCE
) -> Any:
    """Wait until a condition holds, and return its value."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (value := condition()):
        assert loop.time() < deadline, f"{what} did not come true within {within} s"
        await asyncio.sleep(0.005)
    return value


async def gone(stream: Stream, within: float = PATIENCE) -> None:
    """Wait until a stream has no session left."""
    await eventually(lambda: stream.sessions == 0, "the end of all sessions", within)


class _Server(uvicorn.Server):
    """Stops when it is told to, and not at the next of its ticks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()


@asynccontextmanager
async def serving(app: FastAPI, **options: Any) -> AsyncIterator[str]:
    """Serve an app with uvicorn, with these options, on the loop of the test; yields its URL."""
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", lifespan="on", **options)
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or task.done(), "the start of the server")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stopping.set()
        await task


def app_of(stream: Stream, path: str = "") -> FastAPI:
    """An app with the stream mounted."""
    app = FastAPI()
    stream.mount(app, path)
    return app


class Silent(AsyncStreamHandler):
    """Notes the order of its calls, and says nothing unless `to_emit` has something.

    Copies note into the lists of the prototype, so that a test can look at them afterwards.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options
        self.copies: list[Silent] = []
        self.calls: list[str] = []
        self.frames: list[AudioFrame] = []
        self.messages: list[Any] = []
        self.to_emit: asyncio.Queue[Any] = asyncio.Queue()

    async def start_up(self) -> None:
        self.calls.append("start_up")

    async def receive(self, frame: AudioFrame) -> None:
        if "receive" not in self.calls:
            self.calls.append("receive")
        self.frames.append(frame)

    async def emit(self) -> Any:
        value = await self.to_emit.get()
        if isinstance(value, Exception):
            raise value
        return value

    async def on_message(self, message: Any) -> None:
        self.messages.append(message)

    async def shutdown(self) -> None:
        self.calls.append("shutdown")

    def copy(self) -> Silent:
        made = type(self)(**self.options)
        self.copies.append(made)
        return made

    @property
    def only(self) -> Silent:
        """The one copy that was made."""
        assert len(self.copies) == 1, f"{len(self.copies)} copies were made"
        return self.copies[0]


def context_id() -> str:
    """The id of the session that runs the calling code."""
    return get_current_context().webrtc_id


async def hear(stream: AudioStream, duration: float) -> NDArray[np.int16]:
    """The next so many seconds of a stream, `(channels, samples)`."""
    parts: list[NDArray[np.int16]] = []
    missing = duration
    while missing > 1e-6:
        frame = await stream.read()
        parts.append(frame.data)
        missing -= frame.duration
    return np.concatenate(parts, axis=1)


async def speak(client: Client, audio: AudioFrame) -> None:
    """Hand all of the audio to the client; it is sent in real time."""
    assert client.audio_source is not None
    await client.audio_source.capture_frame(audio)


async def vanish(client: Client) -> None:
    """Close the sockets of a client under its feet: no goodbye, and no packet any more."""
    await eventually(lambda: channel_of(client), "the data channel")
    dtls = channel_of(client).raw.transport.transport
    for protocol in dtls.transport._connection._protocols:
        protocol.transport.close()


async def message_of_type(client: Client, type: str, within: float = PATIENCE) -> Any:
    """The data of the next message of a type; others are skipped."""
    async with asyncio.timeout(within):
        async for message in client.messages():
            if message.type == type:
                return message.data
    raise AssertionError(f"the connection was closed before a message of type {type!r}")


Offer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def raw_peer() -> AsyncIterator[RTCPeerConnection]:
    """A bare aiortc connection, closed in the end."""
    pc = RTCPeerConnection()
    try:
        yield pc
    finally:
        await pc.close()


async def make_offer(pc: RTCPeerConnection, **extra: Any) -> dict[str, Any]:
    """The body of an offer of a bare connection, with all its candidates."""
    await pc.setLocalDescription(await pc.createOffer())
    return {"sdp": pc.localDescription.sdp, "type": "offer", **extra}


async def take_answer(pc: RTCPeerConnection, answer: dict[str, Any]) -> None:
    """Take the answer to it."""
    assert "sdp" in answer, f"refused: {answer}"
    await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))


async def connected(pc: RTCPeerConnection) -> None:
    """Wait until a bare connection stands."""
    await eventually(lambda: pc.connectionState == "connected", "the connection")
