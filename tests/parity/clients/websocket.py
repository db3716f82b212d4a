"""WebSockets: a client that asks for 16 bits at 48 kHz, and FastRTC's, which asks for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, OfferError
from fastrtc_core.messages import Message

from ...websocket.support import SocketClient, connected
from .base import Client, Transport, Wishes, refusal_of

if TYPE_CHECKING:
    from ..server import Server

RATE = 48000


class WebSocket(Transport):
    """16 bits a sample over TCP: whoever reads nothing holds the server back."""

    name = "websocket"
    holds_back = True
    exact = True
    snr = 60.0

    @asynccontextmanager
    async def open(self, server: Server, wishes: Wishes) -> AsyncIterator[Client]:
        """Connect, and say `start`."""
        channels = 2 if wishes.stereo else 1
        wanted: dict[str, Any] = {"encoding": "pcm16", "sample_rate": RATE, "channels": channels}
        wanted["binary"] = "messages"
        start = _start(wishes) | wanted
        async with connected(
            server.url, encoding="pcm16", channels=channels, start=start, max_queue=1
        ) as socket:
            yield WebSocketClient(self, socket, RATE, RATE)


class FastRtcSocket(Transport):
    """µ-law at the rates of the handler."""

    name = "websocket"
    variant = "fastrtc"
    holds_back = True
    exact = True
    snr = 30.0

    @asynccontextmanager
    async def open(self, server: Server, wishes: Wishes) -> AsyncIterator[Client]:
        """Connect, and say `start`."""
        agent = server.agent
        channels = 2 if wishes.stereo else 1
        async with connected(
            server.url, channels=channels, start=_start(wishes), max_queue=1
        ) as socket:
            yield WebSocketClient(self, socket, agent.input_sample_rate, agent.output_sample_rate)


def _start(wishes: Wishes) -> dict[str, Any]:
    return {"websocket_id": wishes.id, "args": wishes.args, "params": wishes.params}


class WebSocketClient(Client):
    """One socket."""

    def __init__(
        self, transport: Transport, socket: SocketClient, speaks_at: int, hears_at: int
    ) -> None:
        super().__init__(transport, speaks_at, hears_at)
        self._socket = socket

    @property
    def refusal(self) -> OfferError | None:
        """What the server said instead of serving."""
        return next(filter(None, map(refusal_of, self._socket.messages)), None)

    @property
    def messages(self) -> list[Message]:
        """What has a `type`, and not an `event`."""
        return [
            Message(message["type"], message.get("data"))
            for message in self._socket.messages
            if "type" in message
        ]

    def sounds(self) -> list[NDArray[np.int16]]:
        """What came in `media`."""
        return [data for _, data in self._socket.heard]

    async def speak(self, audio: AudioFrame) -> None:
        """Send `media`, 20 ms at a time."""
        await self._socket.speak(audio)

    async def send(self, data: Any) -> None:
        """Send a message."""
        if isinstance(data, bytes):
            await self._socket.send_bytes(data)
        else:
            await self._socket.send(type="message", data=data)

    async def close(self) -> None:
        """Say `stop`."""
        await self._socket.send(event="stop")

    async def kill(self) -> None:
        """Drop the connection."""
        self._socket.socket.transport.abort()

    def deafen(self) -> None:
        """Read nothing, so that the buffers fill up as far as the server."""
        self._socket.hears.clear()

    async def ended(self) -> None:
        """Wait for the close."""
        await self._socket.ended.wait()
