"""A client of the WebSocket transport, on `websockets`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fastrtc_core import AudioFrame
from fastrtc_core.websocket.codecs import CODECS, Encoding


class SocketClient:
    """One connection.

    Attributes:
        heard: Every piece of audio, with the time at which it came.
        messages: Everything else.
        hears: Cleared while it reads nothing.
        ended: Set when the socket was closed, and all that came before was taken.
    """

    def __init__(
        self, socket: ClientConnection, encoding: Encoding, rate: int, channels: int
    ) -> None:
        self.socket = socket
        self.rate = rate
        self.heard: list[tuple[float, NDArray[np.int16]]] = []
        self.messages: list[dict[str, Any]] = []
        self.hears = asyncio.Event()
        self.hears.set()
        self.ended = asyncio.Event()
        self._binary_messages = False
        self._codec = CODECS[encoding](channels)
        self._encoder = CODECS[encoding](channels)

    async def listen(self) -> None:
        """Take what comes until the socket is closed."""
        try:
            async for data in self.socket:
                await self.hears.wait()
                self._take(data)
        except ConnectionClosed:
            pass
        self.ended.set()

    async def send(self, **message: Any) -> None:
        """Send a JSON message."""
        await self.socket.send(json.dumps(message))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, as this client has agreed with the server."""
        if self._binary_messages:
            await self.socket.send(data)
        else:
            await self.send(event="bytes", payload=base64.b64encode(data).decode())

    async def media(self, frame: AudioFrame, *, binary: bool = False) -> None:
        """Send audio."""
        data = self._encoder.encode(frame.data)
        if binary:
            await self.socket.send(data)
        else:
            await self.send(event="media", media={"payload": base64.b64encode(data).decode()})

    async def speak(
        self, audio: AudioFrame, milliseconds: float = 20, *, binary: bool = False
    ) -> None:
        """Send audio in real time, in pieces of so many ms."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        size = max(1, round(audio.sample_rate * milliseconds / 1000))
        for start in range(0, audio.samples_per_channel, size):
            piece = AudioFrame(audio.sample_rate, audio.data[:, start : start + size])
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.media(piece, binary=binary)
            due += piece.duration

    def sound(self) -> NDArray[np.int16]:
        """All that was heard, `(channels, samples)`."""
        return np.concatenate([data for _, data in self.heard], axis=1)

    def of_event(self, event: str) -> list[dict[str, Any]]:
        """The messages with an `event`."""
        return [message for message in self.messages if message.get("event") == event]

    def of_type(self, type: str) -> list[Any]:
        """The data of the messages with a `type`."""
        return [message["data"] for message in self.messages if message.get("type") == type]

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes) and self._binary_messages:
            self.messages.append({"type": "message", "data": data})
            return
        if isinstance(data, str):
            message = json.loads(data)
            if message.get("event") == "bytes":
                payload = base64.b64decode(message["payload"])
                self.messages.append({"type": "message", "data": payload})
                return
            if message.get("event") != "media":
                self.messages.append(message)
                return
            data = base64.b64decode(message["media"]["payload"])
        self.heard.append((asyncio.get_running_loop().time(), self._codec.decode(data)))


@asynccontextmanager
async def connected(
    url: str,
    *,
    encoding: Encoding = "mulaw",
    rate: int = 48000,
    channels: int = 1,
    start: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[SocketClient]:
    """Connect to `{url}/websocket/offer`, say `start`, and listen."""
    address = url.replace("http", "ws", 1) + "/websocket/offer"
    async with connect(address, **options) as socket:
        client = SocketClient(socket, encoding, rate, channels)
        client._binary_messages = (start or {}).get("binary") == "messages"
        await client.send(event="start", **(start or {}))
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
