"""What every bus does, whatever carries it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastrtc_core import BusError, ConfigurationError

from .conftest import Meet
from .listening import States, ignore, until


async def test_what_is_published_reaches_all_others(meet: Meet) -> None:
    """Each that has subscribed gets it, in order, and not the one that published it."""
    got: list[list[bytes]] = [[], [], []]
    async with meet(3) as buses:
        for bus, heard in zip(buses, got, strict=True):
            await bus.subscribe("room", heard.append)
        sent = [b"%d" % number for number in range(500)]
        assert all(buses[0].publish("room", data) for data in sent)
        await until(lambda: len(got[1]) == len(got[2]) == 500)
        assert buses[1].publish("room", b"reply")
        await until(lambda: got[0] == [b"reply"])
        assert got[1] == sent
        assert got[2] == [*sent, b"reply"]
        assert buses[0].statistics() == (500, 1, 0, 0)
        assert buses[1].statistics() == (1, 500, 0, 0)


async def test_order_holds_when_the_publisher_takes_turns(meet: Meet) -> None:
    """Batches follow each other in order, however they fall."""
    got: list[bytes] = []
    async with meet(2) as (one, two):
        await two.subscribe("room", got.append)
        sent = [b"%d" % number for number in range(300)]
        for index, data in enumerate(sent):
            one.publish("room", data)
            if index % 7 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(got) == 300)
        assert got == sent


async def test_topics_are_strangers(meet: Meet) -> None:
    """A callback gets its topic alone, whatever characters are in the name."""
    names = ["a", "a:b", "a*", "*", "ä €", "", "a b", "\udcff"]
    got: dict[str, list[bytes]] = {name: [] for name in names}
    async with meet(2) as (one, two):
        for name in names:
            await two.subscribe(name, got[name].append)
        for name in names:
            assert one.publish(name, repr(name).encode())
        assert one.publish("nobody", b"lost")
        await until(lambda: all(got.values()))
        assert got == {name: [repr(name).encode()] for name in names}
        assert two.statistics().received == len(names)


async def test_a_callback_may_be_replaced_and_removed(meet: Meet) -> None:
    """The second takes the place of the first; after `unsubscribe` neither is called."""
    first: list[bytes] = []
    second: list[bytes] = []
    end: list[bytes] = []
    async with meet(2) as (one, two):
        await two.subscribe("room", first.append)
        await two.subscribe("room", second.append)
        await two.subscribe("end", end.append)
        one.publish("room", b"1")
        await until(lambda: second == [b"1"])
        await two.unsubscribe("room")
        await two.unsubscribe("room")
        one.publish("room", b"2")
        one.publish("end", b"")
        await until(lambda: end == [b""])
        assert (first, second) == ([], [b"1"])
        await two.subscribe("room", first.append)
        one.publish("room", b"3")
        await until(lambda: first == [b"3"])


async def test_unsubscribe_counts_at_once(meet: Meet) -> None:
    """What is on its way when `unsubscribe` is called does not arrive after."""
    got: list[bytes] = []
    async with meet(2) as (one, two):
        await two.subscribe("room", got.append)
        one.publish("room", b"1")
        task = asyncio.ensure_future(two.unsubscribe("room"))
        await asyncio.sleep(0)
        before = len(got)
        await task
        await asyncio.sleep(0.05)
        assert len(got) == before


async def test_an_error_in_a_callback_stops_nothing(
    meet: Meet, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the next message is delivered."""
    got: list[bytes] = []

    def fail_once(data: bytes) -> None:
        got.append(data)
        if len(got) == 1:
            raise ValueError("on purpose")

    async with meet(2) as (one, two):
        await two.subscribe("room", fail_once)
        one.publish("room", b"1")
        one.publish("room", b"2")
        await until(lambda: got == [b"1", b"2"])
    assert "on purpose" in caplog.text


async def test_all_bytes_get_through(meet: Meet) -> None:
    """Every value of a byte, nothing at all, and 64 KiB; other buffers than bytes too."""
    payloads: list[Any] = [bytes(range(256)), b"", bytes(range(256)) * 256, b"\r\n$-1\r\n"]
    got: list[bytes] = []
    async with meet(2) as (one, two):
        await two.subscribe("room", got.append)
        for payload in payloads:
            assert one.publish("room", payload)
        buffer = bytearray(b"later changed")
        assert one.publish("room", buffer)  # type: ignore[arg-type]  # and yet it works
        buffer[:] = b"x" * len(buffer)
        await until(lambda: len(got) == 5)
        assert got == [*payloads, b"later changed"]


async def test_a_full_queue_loses_the_oldest_and_counts(meet: Meet) -> None:
    """Of 30 messages at once through a queue of 10, the last 10 arrive."""
    got: list[bytes] = []
    async with meet(2, max_queued=10) as (one, two):
        await two.subscribe("room", got.append)
        assert all(one.publish("room", b"%d" % number) for number in range(30))
        assert one.statistics().dropped == 20
        await until(lambda: len(got) == 10)
        assert got == [b"%d" % number for number in range(20, 30)]
        await until(lambda: one.statistics().published == 10)
        assert one.statistics().dropped == 20


async def test_the_queue_is_bounded_in_bytes_too(meet: Meet) -> None:
    """Large messages push out more; one that is larger than the queue is refused."""
    got: list[bytes] = []
    async with meet(2, max_queued_bytes=2500) as (one, two):
        await two.subscribe("room", got.append)
        assert all(one.publish("room", bytes([number]) * 1000) for number in range(4))
        assert not one.publish("room", bytes(2501))
        await until(lambda: len(got) == 2)
        assert [data[0] for data in got] == [2, 3]
        assert one.statistics().dropped == 3


async def test_a_claim_is_for_one(meet: Meet) -> None:
    """The first gets it, and nobody else, not even itself again, until it is released."""
    async with meet(3) as (one, two, three):
        answers = await asyncio.gather(*(bus.claim("uid", 30) for bus in (one, two, three)))
        assert sorted(answers) == [False, False, True]
        owner = (one, two, three)[answers.index(True)]
        other = two if owner is one else one
        assert not await owner.claim("uid", 30)
        assert await other.claim("another", 30)
        await other.release("uid")  # which it does not hold
        assert not await other.claim("uid", 30)
        await owner.release("uid")
        await owner.release("uid")
        assert await other.claim("uid", 30)


async def test_a_claim_ends(meet: Meet) -> None:
    """After its time it is free, and the late release of the first leaves the second its own."""
    async with meet(2) as (one, two):
        assert await one.claim("uid", 0.2)
        assert not await two.claim("uid", 0.2)
        await asyncio.sleep(0.3)
        assert await two.claim("uid", 30)
        await one.release("uid")
        assert not await one.claim("uid", 30)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), 1e12])
async def test_a_claim_needs_a_time(meet: Meet, ttl: float) -> None:
    """Times that cannot be meant are refused."""
    async with meet(1) as (bus,):
        with pytest.raises(ConfigurationError, match="ttl"):
            await bus.claim("uid", ttl)


async def test_before_start_and_after_the_end(meet: Meet) -> None:
    """Nothing leaves and nothing can be claimed; what was subscribed before `start` counts."""
    got: list[bytes] = []
    states = States()
    async with meet(2, start=False) as (one, two):
        await one.aclose()
        assert not one.connected
        assert not one.publish("room", b"early")
        with pytest.raises(BusError):
            await one.claim("uid", 1)
        await one.release("uid")
        await two.unsubscribe("room")
        await two.subscribe("room", got.append)
        await one.start(states)
        await two.start(ignore)
        assert one.connected
        assert states.told == [True]
        with pytest.raises(ConfigurationError, match="runs already"):
            await one.start(ignore)
        one.publish("room", b"1")
        await until(lambda: got == [b"1"])
        await one.aclose()
        await one.aclose()
        assert not one.connected
        assert not one.publish("room", b"late")
        with pytest.raises(BusError):
            await one.claim("uid", 1)
        assert states.told == [True]
        assert one.statistics().dropped == 2
        assert got == [b"1"]


async def test_the_last_words_are_heard(meet: Meet) -> None:
    """What was published just before `aclose` arrives."""
    got: list[bytes] = []
    async with meet(2) as (one, two):
        await two.subscribe("room", got.append)
        for number in range(200):
            one.publish("room", b"%d" % number)
        await one.aclose()
        await until(lambda: len(got) == 200)
        assert one.statistics() == (200, 0, 0, 0)


async def test_a_bus_starts_again(meet: Meet) -> None:
    """After `aclose` it may be started; its subscriptions are forgotten."""
    got: list[bytes] = []
    again: list[bytes] = []
    async with meet(2) as (one, two):
        await two.subscribe("room", got.append)
        await two.aclose()
        await two.start(ignore)
        await two.subscribe("other", again.append)
        one.publish("room", b"1")
        one.publish("other", b"2")
        await until(lambda: again == [b"2"])
        assert got == []


async def test_publishing_from_a_callback(meet: Meet) -> None:
    """Two buses may answer each other from their callbacks."""
    got: list[bytes] = []
    async with meet(2) as (one, two):

        def answer(data: bytes) -> None:
            if len(data) < 50:
                two.publish("pong", data + b".")

        def note(data: bytes) -> None:
            got.append(data)
            one.publish("ping", data)

        await two.subscribe("ping", answer)
        await one.subscribe("pong", note)
        one.publish("ping", b"")
        await until(lambda: len(got) == 50)
        assert got[-1] == b"." * 50
