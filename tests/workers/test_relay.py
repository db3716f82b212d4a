"""Calls between processes that come to the edges: numbers that meet, sizes, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from fastrtc_core.cluster.bus import MemoryBus, MemoryHub
from fastrtc_core.errors import BusError, MessageError, OfferError
from fastrtc_core.workers import relay
from fastrtc_core.workers.relay import Relay

MOST = 100_000
"""Bytes that a bus takes at once."""

pytestmark = pytest.mark.virtual_clock


class Process:
    """A relay with its bus; it holds the id that is its name."""

    def __init__(self, name: str, hub: MemoryHub) -> None:
        self.name = name
        self.bus = MemoryBus(hub, max_queued_bytes=MOST)
        self.relay = Relay(self.bus, lambda id: None)
        self.relay.stream("for ever", _for_ever)
        self.relay.answer("repeat", _repeat)


async def _repeat(id: str, count: Any) -> str:
    return "x" * int(count)


async def _refuse(text: str) -> None:
    raise OfferError(text, detail=object())


async def _for_ever(id: str, asked: Any) -> AsyncGenerator[str, None]:
    yield "the first"
    await asyncio.Event().wait()


@asynccontextmanager
async def processes(names: str) -> AsyncIterator[list[Process]]:
    """So many, which run."""
    hub = MemoryHub()
    made = [Process(name, hub) for name in names]
    async with AsyncExitStack() as stack:
        for one in made:
            await stack.enter_async_context(one.relay.running("test"))
            await one.relay.hold(one.name)
        yield made


async def test_a_sign_of_life_is_of_whom_it_comes_from() -> None:
    """Each process numbers its own calls, so that those of two have the same numbers."""
    async with processes("abc") as (a, b, c):
        reading = a.relay.items("c", "for ever", None)
        others = b.relay.items("a", "for ever", None)
        assert await anext(reading) == await anext(others) == "the first"
        c.bus.cut()
        async with asyncio.timeout(relay.GONE_AFTER + 2 * relay.BEAT):
            with pytest.raises(BusError, match="is gone"):
                await anext(reading)
        await others.aclose()


async def test_what_the_bus_does_not_take_is_said_to_be_too_large() -> None:
    """And not that there is no session, or that its process is gone."""
    async with processes("ab") as (a, _):
        assert await a.relay.call("b", "repeat", 1000) == "x" * 1000
        with pytest.raises(MessageError, match="more than the bus takes"):
            await a.relay.call("b", "repeat", "1" * MOST)
        with pytest.raises(MessageError, match="more than the bus takes"):
            await a.relay.call("b", "repeat", MOST)


@pytest.mark.parametrize("text", ["No.", "No. " * MOST])
async def test_an_error_that_cannot_be_sent_whole(text: str) -> None:
    """Its text arrives, as far as it is short; the process goes on to answer."""
    async with processes("ab") as (a, b):
        b.relay.answer("refuse", lambda id, asked: _refuse(text))
        with pytest.raises(OfferError, match="No") as caught:
            await a.relay.call("b", "refuse", None)
        assert len(str(caught.value)) < 5000
        assert await a.relay.call("b", "repeat", 1) == "x"
