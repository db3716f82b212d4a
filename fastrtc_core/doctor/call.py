"""A call with sound: to a stream that is served on loopback, or to a running server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI

from ..client import Client
from ..errors import ConnectionFailedError, OfferError
from ..frames import AudioFrame
from ..handler import AsyncStreamHandler
from ..stream import Stream
from .findings import Finding

RATE = 48000
FREQUENCY = 440.0
FRAME = RATE // 50
LISTENING = 5.0
"""How long in s the call waits for sound."""

ENOUGH = RATE // 5
"""Samples that must come back in one piece, 0.2 s."""

PURE = 0.9
"""The share of their energy that must be the tone."""


class Echo(AsyncStreamHandler):
    """Sends back what it hears."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=RATE, output_sample_rate=RATE)
        self._frames: asyncio.Queue[AudioFrame] = asyncio.Queue(50)

    async def receive(self, frame: AudioFrame) -> None:
        """Queue a frame; a full queue drops it."""
        with contextlib.suppress(asyncio.QueueFull):
            self._frames.put_nowait(frame)

    async def emit(self) -> AudioFrame:
        """Send the next frame."""
        return await self._frames.get()

    def copy(self) -> Echo:
        """For the next session."""
        return Echo()


class _Server(uvicorn.Server):
    """Says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def serving(stream: Stream) -> AsyncIterator[str]:
    """Serve a stream on loopback; yields its URL."""
    app = FastAPI()
    stream.mount(app)
    sock = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_level="warning"))
    running = asyncio.create_task(server.serve([sock]))
    running.add_done_callback(lambda _: server.up.set())  # it failed
    try:
        await server.up.wait()
        if running.done():
            await running
            raise ConnectionFailedError("the app did not start; its log says why")
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def check_stream(stream: Stream) -> list[Finding]:
    """Call a stream on loopback."""
    async with serving(stream) as url:
        return await check_call(
            url,
            modality=stream.modality,
            mode=stream.mode,
            echoes=isinstance(stream.handler, Echo),
            what="loopback call",
        )


async def check_call(
    url: str,
    *,
    modality: Any = "audio",
    mode: Any = "send-receive",
    headers: Mapping[str, str] | None = None,
    echoes: bool = False,
    what: str = "call",
) -> list[Finding]:
    """Connect to a stream, play a tone, and listen.

    Args:
        url: Where it is mounted.
        modality: Its modality.
        mode: Its mode.
        headers: Of the offer, for authentication.
        echoes: Whether the tone must come back.
        what: How findings call it.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with Client(url, modality=modality, mode=mode, headers=headers) as client:
            connected = Finding(
                "ok", f"{what}: connected after {1000 * (loop.time() - began):.0f} ms"
            )
            if client.audio_stream is None:
                return [connected]
            return [connected, await _listen(client, echoes, what)]
    except OfferError as error:
        return [
            Finding("fault", f"{what}: the server refused: {error}", _REFUSALS.get(error.code, ""))
        ]
    except (ConnectionFailedError, OSError) as error:
        return [
            Finding(
                "fault",
                f"{what}: {error}",
                "Is the server running, and the URL the one where the stream is mounted? If it\n"
                "answered, UDP does not get through: set udp_port and open it, check\n"
                "advertised_address, or give clients a TURN server.",
            )
        ]


async def _listen(client: Client, echoes: bool, what: str) -> Finding:
    loop = asyncio.get_running_loop()
    heard = np.empty(0, np.int16)
    began, first, purest = loop.time(), 0.0, 0.0
    playing = asyncio.create_task(_play(client))
    try:
        async with asyncio.timeout(LISTENING):
            assert client.audio_stream is not None
            async for event in client.audio_stream:
                data = event.frame.data[0]
                if not first and not np.abs(data).max(initial=0) > 100:
                    continue
                first = first or loop.time()
                heard = np.concatenate([heard, data])[-ENOUGH:]
                if len(heard) == ENOUGH:
                    purest = max(purest, _share_of_tone(heard))
                    if not echoes or purest > PURE:
                        break
    except TimeoutError:
        pass
    finally:
        playing.cancel()
        await asyncio.wait({playing})
    if len(heard) < ENOUGH:
        if echoes:
            return Finding("fault", f"{what}: no sound came back within {LISTENING:g} s")
        return Finding(
            "warning",
            f"{what}: no sound came within {LISTENING:g} s",
            "Expected if your handler waits for speech; the connection itself works.",
        )
    after = f"{1000 * (first - began):.0f} ms"
    if not echoes:
        return Finding("ok", f"{what}: sound after {after}")
    if purest <= PURE:
        return Finding("fault", f"{what}: the tone came back distorted, {purest:.0%} pure at best")
    return Finding("ok", f"{what}: the tone came back after {after}, {purest:.0%} pure")


async def _play(client: Client) -> None:
    if client.audio_source is None:
        return
    position = 0
    while True:
        times = np.arange(position, position + FRAME) / RATE
        tone = (8000 * np.sin(2 * np.pi * FREQUENCY * times)).astype(np.int16)
        await client.audio_source.capture_frame(AudioFrame(RATE, tone[np.newaxis]))
        position += FRAME


def _share_of_tone(heard: np.ndarray[Any, Any]) -> float:
    """The share of the energy that is at the frequency of the tone."""
    signal = heard.astype(np.float64)
    times = np.arange(len(signal)) / RATE
    basis = np.stack([np.sin(2 * np.pi * FREQUENCY * times), np.cos(2 * np.pi * FREQUENCY * times)])
    fitted = np.linalg.lstsq(basis.T, signal, rcond=None)[0] @ basis
    energy = float(signal @ signal)
    return float(fitted @ fitted) / energy if energy else 0.0


_REFUSALS = {
    "concurrency_limit_reached": "Raise concurrency_limit, or start more processes.",
    "wrong_modality": "Name the modality of the stream: --modality video.",
    "origin_refused": "See docs/proxies.md: `origins` and `allowed_hosts`.",
    "token_refused": "Pass what signs you in: --header 'Authorization: Bearer …'.",
}
