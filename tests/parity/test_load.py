"""Who is slow, reads nothing, or says nothing, is bounded, and disturbs nobody else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from fastrtc_core import AudioFrame, ChannelClosedError
from fastrtc_core.testing import tone

from ..webrtc.support import eventually, gone
from .agent import Agent
from .clients import Transport
from .server import serving

RATE = 24000
CHUNK = base64.b64encode(np.random.default_rng(0).bytes(45_000)).decode()
"""A message of the flood; no compression makes much less of it."""

MOST_ON_THE_WAY = 24 << 20
"""Characters that the buffers of two sockets, and ours, may hold at the very most."""


@pytest.mark.usefixtures("soon_noticed")
async def test_a_client_that_reads_nothing_disturbs_nobody(transport: Transport) -> None:
    """Its handler is held back, or its audio leaves in time; another hears all of its own."""
    produced = 0.0

    async def endless() -> AsyncIterator[AudioFrame]:
        nonlocal produced
        while True:
            produced += 0.1
            yield tone(500, 0.1, RATE)

    async with serving(Agent(output_sample_rate=RATE), transport) as server:
        deaf = await server.connect()
        other = await server.connect()
        deaf.deafen()
        start = asyncio.get_running_loop().time()
        deaf.agent.say(endless())
        other.agent.emits(tone(1000, 0.6, RATE))
        await other.hears(0.58)
        took = asyncio.get_running_loop().time() - start
        # 16 pieces are made ahead, and 200 ms wait to be played.
        assert produced < took + 2.5
        assert server.ended == []
        await deaf.kill()


@pytest.mark.usefixtures("soon_noticed")
async def test_messages_for_a_client_that_reads_nothing_are_bounded(transport: Transport) -> None:
    """Whoever sends them waits where the client holds it back; nobody else does."""
    sent = 0
    holds_back = transport.holds_back and transport.messages
    enough = 2 * MOST_ON_THE_WAY if holds_back else 1 << 20

    class Chatty(Agent):
        async def start_up(self) -> None:
            await super().start_up()
            self.chatter = asyncio.Event()
            self.create_task(self.chat())

        async def chat(self) -> None:
            nonlocal sent
            await self.chatter.wait()
            while sent < enough:
                await self.send_message(CHUNK)
                sent += len(CHUNK)
                await asyncio.sleep(0)  # where nothing holds it back, others have their turn

    async with serving(Chatty(output_sample_rate=RATE), transport) as server:
        deaf = await server.connect()
        other = await server.connect()
        await eventually(lambda: deaf.agent.calls)
        deaf.deafen()
        deaf.agent.chatter.set()  # type: ignore[attr-defined]
        if holds_back:
            before = -1
            while sent > before:
                before = sent
                await asyncio.sleep(0.2)
            assert sent < MOST_ON_THE_WAY
        other.agent.emits(tone(1000, 0.2, RATE))
        await other.hears(0.18)
        await deaf.kill()
        await eventually(lambda: len(server.ended) == 1, within=8)


async def test_a_slow_handler_hears_the_newest(transport: Transport) -> None:
    """What is three times slower than real time loses the oldest, and lags no more than it may."""

    class Slow(Agent):
        async def receive(self, frame: AudioFrame) -> None:
            await super().receive(frame)
            await asyncio.sleep(0.06)

    ramp = tone(1000, 0.8).data[0] * np.linspace(0, 1, 38400)
    async with serving(Slow(), transport) as server:
        client = await server.connect()
        samples = ramp[:: 48000 // client.speaks_at].astype(np.int16)[np.newaxis]
        await client.speak(AudioFrame(client.speaks_at, samples))
        at_once = len(client.agent.frames)
        # One in three of 40 was taken meanwhile, and eight may wait.
        assert at_once < 25
        await asyncio.sleep(8 * 0.06 + 0.2)
        assert len(client.agent.frames) <= at_once + 12
        levels = [np.abs(frame.data).max() / 16384 for frame in client.agent.frames]
        assert max(levels) > 0.95, "the newest"
        assert levels[at_once - 1] > 0.6, "and no older than it may be"


async def test_who_says_nothing_costs_nothing(transport: Transport) -> None:
    """No `receive` without audio, and digital silence is audio like any other."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        await asyncio.sleep(0.2)
        assert client.agent.frames == []
        silence = np.zeros((1, client.speaks_at * 3 // 10), np.int16)
        await client.speak(AudioFrame(client.speaks_at, silence))
        await eventually(lambda: len(client.agent.frames) >= 14)
        assert max(np.abs(frame.data).max() for frame in client.agent.frames) <= 8


async def test_a_flood_of_messages_loses_the_oldest_and_says_so(transport: Transport) -> None:
    """A slow `on_message` has a bounded queue; a telephone's keys share it."""

    class Slow(Agent):
        async def on_message(self, message: Any) -> None:
            await self.go.wait()
            await super().on_message(message)

        async def on_dtmf(self, digit: str) -> None:
            await self.go.wait()
            await super().on_dtmf(digit)

        async def start_up(self) -> None:
            await super().start_up()
            self.go = asyncio.Event()

    async with serving(Slow(), transport) as server:
        client = await server.connect()
        await eventually(lambda: client.agent.calls)
        for number in range(300):
            await (client.send(number) if transport.messages else client.press(str(number % 10)))
        await client.is_told(
            "warning", "Messages arrive faster than the server handles them; some are lost."
        )
        await asyncio.sleep(0.3)
        client.agent.go.set()  # type: ignore[attr-defined]
        got = client.agent.messages if transport.messages else client.agent.keys
        await eventually(lambda: len(got) >= 256)
        assert len(got) <= 258
        assert got[-1] == (299 if transport.messages else "9")


@pytest.mark.parametrize("leaves", ["says goodbye", "vanishes"])
@pytest.mark.usefixtures("soon_noticed")
async def test_what_is_sent_to_a_client_that_is_gone_is_refused(
    transport: Transport, leaves: str
) -> None:
    """`send_message` raises, and does not wait for ever; a telephone never took any."""
    async with serving(Agent(), transport) as server:
        client = await server.connect()
        if leaves == "vanishes":
            await client.kill()
        else:
            await client.close()
        await gone(server.stream)
        with pytest.raises(ChannelClosedError):
            await asyncio.wait_for(client.agent.send_message("too late"), 5)
