"""Real servers with two workers: sessions are reached through either, and one may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from aiortc import RTCPeerConnection

from fastrtc_core.client import Client
from fastrtc_core.client.signaling import raise_refusal
from fastrtc_core.session import CloseReason
from fastrtc_core.testing import tone

from ..inside import channel_of
from ..sources.packets import free_port
from ..webrtc.support import connected, eventually, raw_peer, take_answer, vanish
from ..webrtc.test_trickle_over_http import split, text_peer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.real_time,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LocalBus needs Linux"),
]

APP = "tests.workers.served:app"
UVICORN = ("-m", "uvicorn", APP, "--workers", "2", "--log-level", "warning", "--port")
GUNICORN = (
    *("-m", "gunicorn", APP, "--workers", "2", "--preload", "--log-level", "warning"),
    *("--worker-class", "uvicorn_worker.UvicornWorker", "--bind"),
)


class Server:
    """A server with two workers.

    Attributes:
        url: Where it is.
        pid: Of the process that starts the workers.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    @asynccontextmanager
    async def connection(self, to: int | None = None, *, other_than: int | None = None) -> Any:
        """A kept connection to one worker, and the id of its process."""
        async with asyncio.timeout(30):
            while True:
                one = httpx.Limits(max_connections=1)
                async with httpx.AsyncClient(base_url=self.url, timeout=20, limits=one) as http:
                    try:
                        worker = int((await http.get("/healthz")).headers["x-process"])
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
                        continue
                    if worker != other_than and to in (None, worker):
                        yield http, worker
                        return

    async def workers(self) -> set[int]:
        """The processes that answer, once there are two."""
        found: set[int] = set()
        while len(found) < 2:
            async with self.connection() as (_, worker):
                found.add(worker)
        return found


@asynccontextmanager
async def serving(command: Sequence[str]) -> AsyncIterator[Server]:
    port = free_port()
    bind = f"127.0.0.1:{port}" if "gunicorn" in command else str(port)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, bind),
        env={**os.environ, "BUS": f"test-{port}"},
    )
    try:
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        workers = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        finally:
            for one in workers:
                if one.is_running():
                    one.kill()
            if process.returncode is None:
                process.kill()


class Call:
    """A client of one worker, and how its messages fare."""

    def __init__(self, client: Client, worker: int) -> None:
        self.client = client
        self.worker = worker
        self.sent = 0
        self.echoed: list[Any] = []
        self.longest_wait = 0.0

    async def speak(self) -> None:
        assert self.client.audio_source is not None
        while True:
            await self.client.audio_source.capture_frame(tone(440, 0.1, 48000))

    async def talk(self) -> None:
        """Send a number every 50 ms."""
        while True:
            await self.client.send(self.sent)
            self.sent += 1
            await asyncio.sleep(0.05)

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        async for message in self.client.messages():
            if message.type == "message":
                self.echoed.append(message.data)
                self.longest_wait = max(self.longest_wait, loop.time() - heard)
                heard = loop.time()


async def calling(server: Server, stack: AsyncExitStack, **where: Any) -> Call:
    """A call at some worker."""
    http, worker = await stack.enter_async_context(server.connection(**where))

    async def offer(body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = (await http.post("/webrtc/offer", json=body)).json()
        raise_refusal(answer)
        return answer

    client = await stack.enter_async_context(Client(offer))
    await eventually(lambda: channel_of(client), "the data channel", 10.0)
    return Call(client, worker)


@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
async def test_a_session_is_reached_through_the_other_worker(command: Sequence[str]) -> None:
    """Its inputs, outputs, words, candidates, and its client that comes back."""
    async with serving(command) as server, AsyncExitStack() as stack:
        enter = stack.enter_async_context
        first, worker = await enter(server.connection())
        other, _ = await enter(server.connection(other_than=worker))
        offers = 0

        async def offer(body: dict[str, Any]) -> dict[str, Any]:
            nonlocal offers
            offers += 1
            answer = await (first if offers == 1 else other).post("/webrtc/offer", json=body)
            return dict(answer.json())

        client = await enter(Client(offer, resume=True, webrtc_id="mine"))
        assert client.audio_source is not None
        assert client.audio_stream is not None
        await eventually(lambda: channel_of(client), "the data channel", 10.0)
        third, _ = await enter(server.connection(other_than=worker))
        async with third.stream("GET", "/outputs/mine") as lines:
            assert (await other.post("/input/mine", json=["Ada", 5])).status_code == 200
            client.audio_source.try_push(tone(440, 0.1, 48000))
            assert json.loads(await anext(lines.aiter_lines())) == ["Ada", 5]
        assert (
            await other.post("/say/mine", params={"text": "one two three four five"})
        ).status_code == 200
        await loud(client)

        pc: RTCPeerConnection
        async with raw_peer() as pc:
            body, candidates = split(await text_peer(pc, webrtc_id="trickled"))
            for candidate in candidates:  # in one process, and their offer in the other
                early = {"type": "ice-candidate", "candidate": candidate, "webrtc_id": "trickled"}
                assert (await first.post("/webrtc/offer", json=early)).status_code == 200
            answer = (await other.post("/webrtc/offer", json=body)).json()
            await take_answer(pc, answer)
            await connected(pc)
            taken = await first.post("/webrtc/offer", json=await text_peer(pc, webrtc_id="mine"))
            assert taken.status_code == 409

        if command is GUNICORN:
            return
        await vanish(client)
        await eventually(lambda: offers >= 2, "the way back", 15.0)
        await eventually(lambda: channel_of(client), "the data channel", 10.0)
        await client.send("still here")
        async with asyncio.timeout(10):
            async for message in client.messages():
                if message.data == "still here":
                    break


async def loud(client: Client) -> None:
    """Hear more than what the client itself has said."""
    assert client.audio_stream is not None
    heard = 0.0
    async with asyncio.timeout(10):
        while heard < 0.5:
            frame = await client.audio_stream.read()
            heard += frame.duration * bool(np.abs(frame.data).max() > 3000)


async def test_a_worker_is_killed_under_load(capsys: pytest.CaptureFixture[str]) -> None:
    """Its calls are lost, those of the other go on undisturbed, and new ones come in at once."""
    async with serving(UVICORN) as server, AsyncExitStack() as stack:
        doomed, spared = sorted(await server.workers())
        calls = [
            await calling(server, stack, to=worker) for worker in (doomed, spared) for _ in range(3)
        ]
        works = [work for one in calls for work in (one.speak(), one.talk(), one.listen())]
        tasks = [asyncio.create_task(work) for work in works]
        survivors = [one for one in calls if one.worker == spared]
        await asyncio.sleep(1.0)
        quiet = await concealed_within(survivors, 3.0)
        loop = asyncio.get_running_loop()
        assert psutil.Process(doomed).ppid() == server.pid
        for one in calls:
            one.longest_wait = 0.0
        os.kill(doomed, signal.SIGKILL)
        killed = loop.time()
        disturbed = asyncio.create_task(concealed_within(survivors, 3.0))
        lost = next(one for one in calls if one.worker == doomed).client.webrtc_id
        await anew(server, stack)
        new_call = loop.time() - killed
        await anew(server, stack, webrtc_id=lost)
        same_id = loop.time() - killed - new_call
        closed = [one.client.wait_closed() for one in calls if one.worker == doomed]
        async with asyncio.timeout(10):
            assert set(await asyncio.gather(*closed)) == {CloseReason.LOST}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        waits = [one.longest_wait for one in survivors]
        with capsys.disabled():
            print(
                f"\nnew call after {new_call:.2f} s, with the id of a lost one {same_id:.2f} s, "
                f"others waited {max(waits):.2f} s for a message at most; frames concealed in 3 s "
                f"before: {quiet}, after: {await disturbed}"
            )
        assert new_call < 2.0
        for one in survivors:
            assert one.sent - len(one.echoed) <= 20, "messages of a call that was not concerned"
            assert one.echoed == list(range(len(one.echoed)))


def concealed(call: Call) -> int:
    """Frames of the server's voice that were made up for, as their packets did not come."""
    assert call.client.remote_audio is not None
    statistics = call.client.remote_audio.network
    assert statistics is not None
    return statistics.concealed - statistics.silent


async def concealed_within(calls: list[Call], seconds: float) -> list[int]:
    """The same, within a time."""
    before = [concealed(one) for one in calls]
    await asyncio.sleep(seconds)
    return [concealed(one) - was for one, was in zip(calls, before, strict=True)]


async def anew(server: Server, stack: AsyncExitStack, **options: Any) -> None:
    """Make a call, as a client does that knows nothing of workers."""
    while True:
        try:
            await stack.enter_async_context(Client(server.url, modality=None, **options))
            return
        except Exception:
            await asyncio.sleep(0.05)
