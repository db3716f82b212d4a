"""One channel on three servers, each a process of its own, linked by Redis."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone

from ..room.test_browser import RATE, events, hear, join
from ..webrtc.support import eventually
from .bus.server import RedisServer, needs_redis

pytestmark = needs_redis

SERVER = Path(__file__).with_name("server.py")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of Redis."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


class ServerProcess:
    """`server.py` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def end(self, how: signal.Signals) -> int:
        """Send it a signal, and wait for its end; returns the exit code."""
        self.process.send_signal(how)
        async with asyncio.timeout(15):
            return await self.process.wait()


@asynccontextmanager
async def running(redis: str) -> AsyncIterator[ServerProcess]:
    """A server that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, SERVER, redis, str(port))
    server = ServerProcess(process, port)
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            async with asyncio.timeout(30):
                while True:
                    try:
                        await http.get(server.url)
                        break
                    except httpx.TransportError:
                        assert process.returncode is None, "the server has ended"
                        await asyncio.sleep(0.1)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def levels(client: Client, frequencies: dict[Any, int]) -> dict[Any, float]:
    """How loud each tone is, of 1, in the loudest half second of one and a half from now on."""
    sound = await hear(client, 2.7)  # more than a second may have waited to be read
    parts = np.split(sound[-RATE * 3 // 2 :], 3)
    return {
        name: max(fit_sine(part, frequency, RATE).amplitude for part in parts) / 32768
        for name, frequency in frequencies.items()
    }


def present(client: Client) -> set[int]:
    """Who else is there, by what a client was told."""
    uids: set[int] = set()
    for message in client.__dict__["told"]:
        match message.data:
            case {"event": "joined", "users": users}:
                uids = {user["uid"] for user in users}
            case {"event": "user_joined", "uid": uid}:
                uids.add(uid)
            case {"event": "user_left", "uid": uid}:
                uids.discard(uid)
    return uids


def state(client: Client) -> str:
    """How it is connected, by what it was told last."""
    told = events(client, "joined") + events(client, "connection_state_changed")
    return str(told[-1]["state"])


@pytest.mark.soak
@pytest.mark.real_time  # the servers are processes
async def test_three_servers(redis_server: RedisServer) -> None:
    """All hear all; a killed server is missed; without Redis those on one server go on."""
    frequencies = {1: 500, 2: 900, 3: 1500, 4: 2300}
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running(redis_server.url)) for _ in range(3)]
        home = {1: servers[0], 2: servers[1], 3: servers[2], 4: servers[0]}
        clients = {uid: await join(stack, f"{home[uid].url}/rtc", uid=uid) for uid in home}
        one, two, four = clients[1], clients[2], clients[4]
        speaking = [
            asyncio.create_task(client.audio_source.capture_frame(tone(frequency, 150, RATE, 0.15)))
            for client, frequency in zip(clients.values(), frequencies.values(), strict=True)
            if client.audio_source is not None
        ]
        for task in speaking:
            stack.callback(task.cancel)

        # All hear all, and nobody itself.
        await asyncio.sleep(1)
        for uid, client in clients.items():
            heard = await levels(client, frequencies)
            assert heard.pop(uid) < 0.02
            assert min(heard.values()) > 0.1, f"{uid} hears {heard}"

        # The chat is the same everywhere, in order.
        for number in range(20):
            await two.send({"event": "chat_message", "data": str(number)})
        for client in (one, clients[3]):
            await eventually(lambda client=client: len(events(client, "chat_message")) == 20)  # type: ignore[misc]
            texts = [data["text"] for data in events(client, "chat_message")]
            assert texts == [*map(str, range(20))]

        # A server is killed.
        loop = asyncio.get_running_loop()
        killed = loop.time()
        await servers[2].end(signal.SIGKILL)
        await eventually(lambda: 3 not in present(one), "the end of user 3", 8)
        assert loop.time() - killed < 6
        assert events(one, "user_left")[-1]["reason"] == "lost"
        await eventually(lambda: 3 not in present(two), "its end for the others", 8)
        heard = await levels(one, frequencies)
        assert heard[3] < 0.02
        assert heard[2] > 0.1

        # Redis is gone, and back.
        redis_server.kill()
        await eventually(lambda: state(one) == "reconnecting", "the report", 10)
        await asyncio.sleep(0.5)
        heard = await levels(one, frequencies)
        assert heard[4] > 0.1, "who is on the same server is heard still"
        assert heard[2] < 0.02
        await eventually(lambda: present(one) == {4}, "the end of user 2", 8)
        await eventually(lambda: present(two) == set(), "the end of users 1 and 4", 8)
        redis_server.start()
        await eventually(lambda: state(one) == state(two) == "connected", "it is back", 10)
        await eventually(lambda: present(one) == {2, 4}, "user 2 again", 10)
        await eventually(lambda: present(two) == {1, 4}, "users 1 and 4 again", 10)
        await asyncio.sleep(1)
        for client, other in ((one, 2), (two, 1), (two, 4), (four, 2)):
            assert (await levels(client, frequencies))[other] > 0.1
        for server in servers[:2]:
            assert await server.end(signal.SIGINT) == 0
