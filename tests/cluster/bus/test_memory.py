"""The bus in memory: what it adds for tests, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from fastrtc_core import BusError
from fastrtc_core.cluster.bus import MemoryBus, MemoryHub
from fastrtc_core.cluster.bus.memory import Claims

from .listening import States, ignore

pytestmark = pytest.mark.virtual_clock


async def test_a_bus_that_is_cut_off() -> None:
    """It is told, nothing passes either way, what waits is lost; `mend` brings its topics back."""
    hub = MemoryHub()
    one, two = MemoryBus(hub), MemoryBus(hub)
    states, got = States(), list[bytes]()
    heard: list[bytes] = []
    await one.start(states)
    await two.start(ignore)
    await one.subscribe("room", heard.append)
    await two.subscribe("room", got.append)
    one.publish("room", b"waits")
    one.cut()
    one.cut()
    assert not one.connected
    assert not one.publish("room", b"refused")
    two.publish("room", b"unheard")
    with pytest.raises(BusError):
        await one.claim("uid", 1)
    await asyncio.sleep(1)
    assert (got, heard) == ([], [])
    one.mend()
    one.mend()
    two.publish("room", b"heard")
    one.publish("room", b"back")
    await asyncio.sleep(1)
    assert (got, heard) == ([b"back"], [b"heard"])
    assert states.told == [True, False, True]
    assert one.statistics() == (1, 1, 2, 1)


async def test_it_may_be_cut_off_from_the_start() -> None:
    """Then it starts without a connection, as with a server that is away."""
    hub = MemoryHub()
    bus, states = MemoryBus(hub), States()
    bus.cut()
    await bus.start(states)
    assert states.told == []
    assert not bus.connected
    bus.mend()
    assert states.told == [True]


async def test_a_callback_may_cut_the_publisher() -> None:
    """What was not delivered by then is lost, and counted."""
    hub = MemoryHub()
    one, two = MemoryBus(hub), MemoryBus(hub)
    got: list[bytes] = []

    def cut(data: bytes) -> None:
        got.append(data)
        one.cut()

    await one.start(ignore)
    await two.start(ignore)
    await two.subscribe("room", cut)
    for _ in range(3):
        one.publish("room", b"1")
    await asyncio.sleep(1)
    assert got == [b"1"]
    assert one.statistics() == (1, 0, 2, 0)


async def test_buses_of_different_hubs_are_strangers() -> None:
    """Without a hub, a bus is alone."""
    one, two = MemoryBus(), MemoryBus()
    got: list[bytes] = []
    await one.start(ignore)
    await two.start(ignore)
    await two.subscribe("room", got.append)
    one.publish("room", b"1")
    assert await one.claim("uid", 1)
    assert await two.claim("uid", 1)
    await asyncio.sleep(1)
    assert got == []


async def test_a_hub_keeps_nothing_of_those_who_left() -> None:
    """`aclose` takes a bus out of the hub."""
    hub = MemoryHub()
    bus = MemoryBus(hub)
    await bus.start(ignore)
    assert list(hub.buses) == [bus]
    await bus.aclose()
    assert not hub.buses


def test_claims_that_have_ended_are_forgotten() -> None:
    """Ten thousand short claims, one after the other, are never kept by more than a few."""
    claims = Claims()
    most = 0
    for number in range(10_000):
        assert claims.claim(f"{number}", self := object(), 1.0, number * 0.1)
        assert not claims.claim(f"{number}", self, 1.0, number * 0.1 + 0.99)
        most = max(most, len(claims))
    assert most <= 64
