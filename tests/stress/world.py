"""Servers and whoever uses them, all in one process, on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from unittest import mock
from weakref import WeakSet

import aioice.ice
import numpy as np
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from fastrtc_core import AsyncStreamHandler, AudioFrame, Stream
from fastrtc_core.channel import RtcEngine, RtcOptions
from fastrtc_core.client import Client
from fastrtc_core.cluster.bus import MemoryBus, MemoryHub
from fastrtc_core.errors import FastRTCError
from fastrtc_core.testing import VirtualClockLoop, run_virtual, tone
from fastrtc_core.testing.phone import calling
from fastrtc_core.webrtc import internals

from ..conftest import _open_resources
from ..inside import client_peer, connection_of
from ..webrtc.support import serving
from ..websocket.support import connected
from .schedule import HOUR, Event

PLACES = 8
"""How many sessions the stream takes at once."""

RESUME_TIMEOUT = 20.0
"""How long in s a session waits for a client that was lost."""

REST = 2 * RESUME_TIMEOUT + 30
"""After how long in s without an event everybody is gone."""

WARM_UP = 5
"""After how many rests all that is made once has been made."""

CACHED = 5000
"""How many objects may be made once after that: some 17 for each event of a day."""


_ENDS = (FastRTCError, ConnectionClosed, InvalidHandshake, OSError, AssertionError)
"""How the outside of a call ends that was refused, lost, or ended by the server."""


class Echo(AsyncStreamHandler):
    """Says what it hears, and fails now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: asyncio.Queue[AudioFrame] = asyncio.Queue(50)
        self._frames = 0

    def copy(self) -> Echo:
        return Echo()

    async def receive(self, frame: AudioFrame) -> None:
        self._frames += 1
        if self._frames % 97 == 0:
            raise ValueError("a handler that fails")
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(frame)

    async def emit(self) -> AudioFrame:
        return await self._queue.get()


class World:
    """A stream, two linked engines, and the people who use them.

    Attributes:
        stream: For calls.
        happened: How often what happened.
    """

    def __init__(self, url: str, stream: Stream, engines: list[RtcEngine], buses: list[MemoryBus]):
        self.url = url
        self.stream = stream
        self.happened: Counter[str] = Counter()
        self._engines = engines
        self._buses = buses
        self._weather = Weather()
        self._tasks: asyncio.TaskGroup

    @asynccontextmanager
    async def populated(self) -> AsyncIterator[None]:
        """As long as people come and go; at the end, all have gone."""
        with self._weather.felt():
            async with asyncio.TaskGroup() as self._tasks:
                yield

    def happen(self, event: Event) -> None:
        """Let an event happen; it goes on in the background."""
        random = np.random.default_rng(event.seed)
        self.happened[event.kind] += 1
        self._tasks.create_task(getattr(self, f"_{event.kind}")(random), name=event.kind)

    # What happens

    async def _call(self, random: np.random.Generator) -> None:
        over = random.choice(["webrtc", "webrtc", "returning", "text", "websocket", "telephone"])
        length = random.choice([0.1, 1.0, 3.0, 8.0])
        end = random.choice(["leave", "kill", "stay"])
        with contextlib.suppress(*_ENDS):
            await getattr(self, f"_call_{over}")(length, end)
            self.happened[f"{over}, {end}"] += 1

    async def _call_webrtc(self, length: float, end: str, **options: Any) -> None:
        async with asyncio.timeout(60), Client(self.url, **options) as client:
            if client.audio_source is not None:
                await client.audio_source.capture_frame(tone(440, length))
            await asyncio.sleep(length)
            if end == "kill":
                self._weather.cut_off(client)
                await asyncio.sleep(8)
            elif end == "stay":
                await asyncio.sleep(15)

    async def _call_returning(self, length: float, end: str) -> None:
        await self._call_webrtc(length, end, resume=True)

    async def _call_text(self, length: float, end: str) -> None:
        await self._call_webrtc(length * 30 if end == "leave" else length, end, modality=None)

    async def _call_websocket(self, length: float, end: str) -> None:
        async with connected(self.url, start={"webrtc_id": None}) as client:
            await client.speak(tone(440, length))
            if end == "kill":
                client.socket.transport.abort()

    async def _call_telephone(self, length: float, end: str) -> None:
        async with calling(self.url) as phone:
            await phone.speak(tone(440, length, 8000))
            if end == "kill":
                phone.socket.transport.abort()
            else:
                await phone.hang_up()

    async def _crowd(self, random: np.random.Generator) -> None:
        async with asyncio.TaskGroup() as tasks:
            for child in random.spawn(2 * PLACES):
                tasks.create_task(self._call(child))

    async def _meeting(self, random: np.random.Generator) -> None:
        async with AsyncExitStack() as stack:
            channels = []
            for uid in range(1, 2 + random.integers(1, 4)):
                engine = self._engines[random.integers(2)]
                options = RtcOptions(channel_name="room", uid=int(1e6 * random.random()) * 10 + uid)
                channel = engine.create_channel(options)
                stack.push_async_callback(channel.disconnect)
                with contextlib.suppress(FastRTCError):
                    await channel.connect()
                    channels.append(channel)
            for channel in channels:
                with contextlib.suppress(FastRTCError):
                    await channel.push_audio_frame(tone(440, 1.0))
            await asyncio.sleep(random.uniform(0, 3))

    async def _outage(self, random: np.random.Generator) -> None:
        await self._weather.break_for(random.choice([1.0, 3.0, 10.0, 25.0]))

    async def _stall(self, random: np.random.Generator) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        loop._jumping_selector.now += random.choice([0.3, 2.0, 30.0, 3600.0])

    async def _clock(self, random: np.random.Generator) -> None:
        self._weather.wall += random.choice([-86400.0, -3.0, 3.0, 86400.0])

    async def _bus(self, random: np.random.Generator) -> None:
        bus = self._buses[random.integers(2)]
        bus.cut()
        await asyncio.sleep(random.uniform(0.1, 12))
        bus.mend()

    async def _oversize(self, random: np.random.Generator) -> None:
        size = int(random.choice([70_000, 2_000_000, 20_000_000]))
        with contextlib.suppress(*_ENDS):
            if random.random() < 0.5:
                async with asyncio.timeout(30), Client(self.url, params={"x": "y" * size}):
                    pass
            else:
                async with connected(self.url, start={"webrtc_id": None}) as client:
                    await client.send_bytes(b"x" * size)
                    async with asyncio.timeout(10):  # what is not too large is taken
                        await client.ended.wait()

    async def _close(self, random: np.random.Generator) -> None:
        await self.stream.drain(timeout=5)
        self.stream._registry.resume()


class Weather:
    """Between the peers of this process and the network; and the wall clock.

    Attributes:
        wall: By how much in s the wall clock is wrong.
    """

    def __init__(self) -> None:
        self.wall = 0.0
        self._broken = 0
        self._cut_off: WeakSet[Any] = WeakSet()

    def cut_off(self, client: Client) -> None:
        """Have no datagram of this client arrive any more, in either direction."""
        for dtls in internals.dtls_transports(connection_of(client_peer(client))):
            self._cut_off.update(dtls.transport._connection._protocols)

    async def break_for(self, seconds: float) -> None:
        """Have no datagram of a client arrive, in either direction."""
        self._broken += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._broken -= 1

    @contextmanager
    def felt(self) -> Iterator[None]:
        """As long as the weather lasts."""
        protocol = aioice.ice.StunProtocol
        receive, wall = protocol.datagram_received, time.time

        def datagram_received(itself: Any, data: Any, address: Any) -> None:
            if not self._broken and itself not in self._cut_off:
                receive(itself, data, address)

        def made(itself: Any, transport: Any) -> None:
            original(itself, transport)
            send = transport.sendto

            def sendto(*arguments: Any) -> None:
                if not self._broken and itself not in self._cut_off:
                    send(*arguments)

            transport.sendto = sendto

        def wrong_time() -> float:
            return wall() + self.wall

        original = protocol.connection_made
        with (
            mock.patch.object(protocol, "datagram_received", datagram_received),
            mock.patch.object(protocol, "connection_made", made),
            mock.patch.object(time, "time", wrong_time),
        ):
            yield


class Remains:
    """What the process has whenever everybody has gone: it must not grow.

    Attributes:
        looks: How often it was looked.
        now: What there was at the last look.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.now: dict[str, int] = {}
        self._allowed: dict[str, int] = {}

    def look(self) -> str | None:
        """What there is more of than in the beginning, or `None`."""
        gc.collect()
        self.looks += 1
        self.now = {
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            **{kind: len(found) for kind, found in _open_resources().items()},
            "objects": len(gc.get_objects()),
        }
        if self.looks <= WARM_UP:
            self._allowed = self.now | {"objects": self.now["objects"] + CACHED}
        grown = {
            kind: f"{count}, and {self._allowed[kind]} were allowed"
            for kind, count in self.now.items()
            if count > self._allowed[kind]
        }
        return f"there is more and more: {grown}" if grown else None


async def _live(events: list[Event], report: Counter[str]) -> None:
    stream = Stream(Echo(), concurrency_limit=PLACES, resume_timeout=RESUME_TIMEOUT)
    hub = MemoryHub()
    buses = [MemoryBus(hub), MemoryBus(hub)]
    app = FastAPI()
    stream.mount(app)
    loop = asyncio.get_running_loop()
    remains = Remains()
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(RtcEngine("app", bus=bus)) for bus in buses]
        url = await stack.enter_async_context(serving(app, timeout_keep_alive=5))
        world = World(url, stream, engines, buses)
        offset = 0.0
        async with AsyncExitStack() as people:
            await people.enter_async_context(world.populated())
            for number, event in enumerate(events):
                await asyncio.sleep(event.at + offset - loop.time())
                # A stall has brought the clock forward: all else comes as much later.
                before = loop.time()
                world.happen(event)
                await asyncio.sleep(0)
                offset += loop.time() - before
                following = events[number + 1].at if number + 1 < len(events) else event.at + HOUR
                if following - event.at > REST:
                    await asyncio.sleep(REST)
                    if wrong := _wrong(world, remains):
                        # Raised, for whoever is still there would be waited for.
                        raise AssertionError(f"{wrong}, after {event}")
        report.update(world.happened)
        report["rests"] = remains.looks


def _wrong(world: World, remains: Remains) -> str | None:
    if world.stream.sessions:
        return f"{world.stream.sessions} sessions are still there"
    return remains.look()


def live(events: list[Event]) -> tuple[str | None, Counter[str]]:
    """Live through what happens, on a loop of its own; says what went wrong, and what happened."""
    report: Counter[str] = Counter()
    # pytest keeps each record, with the frames of its error: nothing else would grow as much.
    logging.disable(logging.CRITICAL)
    try:
        run_virtual(_live(events, report))
    except Exception:
        return traceback.format_exc(), report
    finally:
        logging.disable(logging.NOTSET)
    return None, report
