"""A server that shuts down lets its sessions end by themselves, for as long as it was told."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvloop
from fastapi import FastAPI

from fastrtc_core import ConfigurationError, Stream, UnavailableError
from fastrtc_core.client import Client
from fastrtc_core.messages import Message
from fastrtc_core.operations.draining import drained
from tests.webrtc.support import Silent, eventually, gone, serving
from tests.websocket.support import SocketClient
from tests.websocket.support import connected as socket_to


@asynccontextmanager
async def program(drain_timeout: float) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process of its own; yields it and its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.operations.served",
        str(drain_timeout),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        async with httpx.AsyncClient() as http:
            await eventually_up(http, url)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def talker(url: str) -> AsyncIterator[SocketClient]:
    """A client on a WebSocket, whose session has begun."""
    async with socket_to(url, start={"encoding": "mulaw"}) as socket:
        await eventually(lambda: bool(socket.of_event("started")))
        yield socket


async def eventually_up(http: httpx.AsyncClient, url: str) -> None:
    """Wait until the server answers."""
    while True:
        try:
            await http.get(f"{url}/a/healthz")
            return
        except httpx.TransportError:
            await asyncio.sleep(0.05)


@pytest.mark.real_time
async def test_at_sigterm_calls_go_on_until_they_end() -> None:
    """Over WebRTC and WebSockets; meanwhile nobody new comes in, and the probe says so."""
    async with program(60) as (process, url), httpx.AsyncClient() as http:
        async with Client(f"{url}/a", modality=None) as client, talker(f"{url}/b") as socket:
            process.send_signal(signal.SIGTERM)
            assert await told(client) == Message("draining", {"seconds": 60.0})
            answer = await http.get(f"{url}/b/readyz")
            assert "draining" in answer.json()["reasons"]
            with pytest.raises(UnavailableError):
                async with Client(f"{url}/a", modality=None):
                    pass
            await asyncio.sleep(1.0)
            assert process.returncode is None
            await client.send("still here")
            await socket.send(type="message", data="still here")
            assert socket.socket.close_code is None
        async with asyncio.timeout(10):
            await process.wait()


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_without_patience_a_socket_is_told_why(number: signal.Signals) -> None:
    """Before the server closes it: with the reason, and as RFC 6455 says for a server that goes."""
    async with program(0) as (process, url), talker(f"{url}/a") as socket:
        process.send_signal(number)
        async with asyncio.timeout(10):
            await socket.socket.wait_closed()
            await process.wait()
        assert socket.of_type("closing") == ["drain"]
        assert socket.socket.close_code == 1001


@pytest.mark.real_time
async def test_who_asks_twice_does_not_wait() -> None:
    """A second SIGTERM ends what is left."""
    async with program(60) as (process, url):
        async with Client(f"{url}/a", modality=None) as client:
            process.send_signal(signal.SIGTERM)
            await told(client)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                await client.wait_closed()
                await process.wait()


async def told(client: Client) -> Message:
    """The message about the drain."""
    async for message in client.messages():
        if message.type == "draining":
            return message
    raise AssertionError("the connection was closed")


async def test_what_does_not_end_in_time_is_ended() -> None:
    """In the lifespan, where no signal says that the server is going to stop."""
    stream = Stream(Silent(), drain_timeout=3.0)
    app = FastAPI()
    lifespan = drained(app.router.lifespan_context, stream._registry, stream.drain_timeout)
    loop = asyncio.get_running_loop()
    async with Client(stream.offer, modality=None) as client:
        await eventually(lambda: stream.sessions == 1)
        async with lifespan(app):
            began = loop.time()
        assert 3.0 <= loop.time() - began < 5.0
        assert await client.wait_closed() == "drain"
    await gone(stream)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_signal_that_the_event_loop_takes_is_left_alone(new_loop: Any) -> None:
    """As Hypercorn and the workers of Gunicorn have it: the lifespan then has the patience."""
    received: list[int] = []
    waited: list[float] = []

    async def serve() -> None:
        stream = Stream(Silent(), drain_timeout=5.0)

        async def drain(timeout: float | None = None, patience: float = 0.0) -> None:
            waited.append(patience)

        stream._registry.drain = drain  # type: ignore[method-assign]
        app = FastAPI()
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            received.append(signal.SIGTERM)
            stopped.set()

        loop.add_signal_handler(signal.SIGTERM, stop)
        try:
            async with stream.drained(app.router.lifespan_context)(app):
                signal.raise_signal(signal.SIGTERM)
                async with asyncio.timeout(5):
                    await stopped.wait()
        finally:
            loop.remove_signal_handler(signal.SIGTERM)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve())
    assert received == [signal.SIGTERM]
    assert waited == [5.0]


async def test_an_empty_server_waits_for_nobody() -> None:
    """Nor one whose last session has ended."""
    stream = Stream(Silent(), drain_timeout=600)
    app = FastAPI()
    stream.mount(app)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with serving(app):
        pass
    stream._registry.resume()
    async with Client(stream.offer, modality=None):
        await eventually(lambda: stream.sessions == 1)
        draining = asyncio.create_task(stream.drain(5, patience=600))
        await asyncio.sleep(0.5)
        assert not draining.done()
    await draining
    assert loop.time() - began < 60


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    """With the name of the argument."""
    with pytest.raises(ConfigurationError, match="drain_timeout"):
        Stream(Silent(), drain_timeout=seconds)
