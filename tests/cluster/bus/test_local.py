"""The bus that processes of one machine make themselves: whoever serves may leave."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fastrtc_core import BusError, ConfigurationError
from fastrtc_core.cluster.bus import LocalBus, local, local_hub
from fastrtc_core.cluster.bus.interface import BusId
from fastrtc_core.cluster.bus.local_link import LocalLink

from .listening import States, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


async def test_another_serves_when_the_first_is_gone() -> None:
    """The others meet again, with what they subscribe to and have claimed."""
    got: list[bytes] = []
    states = States()
    async with AsyncExitStack() as stack:
        buses = [LocalBus("test-successor") for _ in range(3)]
        for bus in buses:
            await bus.start(states)
            stack.push_async_callback(bus.aclose)
        assert [repr(bus).split()[-1] for bus in buses] == ["serves>", "connected>", "connected>"]
        first, second, third = buses
        await third.subscribe("room", got.append)
        assert await second.claim("held", 60)
        assert await first.claim("lost", 60)
        states.told.clear()
        await first.aclose()
        await until(lambda: sorted(states.told) == [False, False, True, True])
        assert second.connected
        assert third.connected
        assert not first.publish("room", b"nobody hears that")
        assert second.publish("room", b"again")
        await until(lambda: got == [b"again"])
        # Who has claimed first may not be the first to come back.
        await asyncio.sleep(0.1)
        assert not await third.claim("held", 60)
        assert await third.claim("lost", 60)
        await second.release("held")
        assert await third.claim("held", 60)
        assert second.statistics().reconnects == 1


async def test_what_is_given_up_while_a_link_is_made() -> None:
    """It is not asked for again, after it was given up."""
    async with AsyncExitStack() as stack:
        buses = [LocalBus("test-given-up") for _ in range(3)]
        for bus in buses:
            await bus.start(States())
            stack.push_async_callback(bus.aclose)
        first, second, third = buses
        for number in range(50):
            await third.subscribe(f"topic{number}", lambda data: None)
            assert await third.claim(f"key{number}", 60)
        before = third._link
        await first.aclose()
        while third._link in (None, before):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        assert not third.connected
        await third.unsubscribe("topic49")
        await third.release("key49")
        await until(lambda: second.connected and third.connected)
        assert await second.claim("key49", 60)
        assert not await second.claim("key48", 60)
        hub = second._hub or third._hub
        assert hub is not None
        assert len(hub._topics) == 49


async def test_who_reads_too_slowly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What there is no room for is dropped and counted, and the log says so once."""
    monkeypatch.setattr(local_hub, "MAX_UNREAD", 1000)
    got: list[bytes] = []
    async with AsyncExitStack() as stack:
        buses = [LocalBus("test-slow") for _ in range(2)]
        for bus in buses:
            await bus.start(States())
            stack.push_async_callback(bus.aclose)
        hub, link = buses[0]._hub, buses[1]._link
        assert hub is not None
        assert link is not None
        await buses[1].subscribe("room", got.append)
        link._writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(50):
            assert buses[0].publish("room", bytes(50_000))
        await until(lambda: buses[0].statistics().published == 50 and hub.dropped > 0)
        link._writer.transport.resume_reading()  # type: ignore[attr-defined]
        await until(lambda: len(got) + hub.dropped == 50)
    assert caplog.text.count("reads the bus too slowly") == 1


async def test_a_topic_of_any_length() -> None:
    """It arrives, and the connection stands."""
    got: list[bytes] = []
    topic = "x" * 70_000
    async with AsyncExitStack() as stack:
        buses = [LocalBus("test-length") for _ in range(2)]
        for bus in buses:
            await bus.start(States())
            stack.push_async_callback(bus.aclose)
        await buses[1].subscribe(topic, got.append)
        assert buses[0].publish(topic, b"it")
        await until(lambda: got == [b"it"])
        assert buses[0].statistics().reconnects == 0


async def test_it_is_closed_when_its_connection_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of tasks that fails takes the cancellation of that moment for its own."""

    async def breaks_when_cancelled(self: LocalLink, *args: Any) -> None:
        args[-1]()  # it is ready
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise BusError("the connection is lost") from None
        finally:
            self._writer.close()

    monkeypatch.setattr(LocalLink, "run", breaks_when_cancelled)
    monkeypatch.setattr(local, "FLUSH_TIMEOUT", 0)
    bus = LocalBus("test-breaks")
    await bus.start(States())
    async with asyncio.timeout(2):
        await bus.aclose()


def test_processes_that_are_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has an id of its own, or it would take what the others say for its own words."""
    id = BusId()
    first = id.here
    assert id.here == first
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert id.here != first
    assert id.here == id.here


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 65, "ä"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 64 letters"):
        LocalBus(name)
