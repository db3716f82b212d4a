"""A Redis server that dies, freezes, comes late, or is none."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fastrtc_core import BusError
from fastrtc_core.cluster.bus import RedisBus
from fastrtc_core.cluster.bus.redis import START_TIMEOUT

from .listening import States, ask, ignore, two_buses, until
from .server import RedisServer, needs_redis

pytestmark = needs_redis

NOTICED = 2.5
"""s within which a loss is noticed: 2, and what a busy machine adds."""


async def test_a_server_that_is_killed_and_comes_back(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Both ways are told, the topics come back, and nothing said meanwhile arrives late."""
    got: list[bytes] = []
    states = States()
    one, two = RedisBus(redis_server.url), RedisBus(redis_server.url)
    try:
        await one.start(states)
        await two.start(ignore)
        await two.subscribe("before", got.append)
        await two.subscribe("gone", got.append)
        redis_server.kill()
        await until(lambda: not one.connected and not two.connected, NOTICED)
        assert states.told == [True, False]
        for _ in range(5):
            assert not one.publish("before", b"lost")
        with pytest.raises(BusError):
            await one.claim("uid", 1)
        await one.release("uid")
        await two.subscribe("during", got.append)
        await two.unsubscribe("gone")
        await asyncio.sleep(0.5)
        redis_server.start()
        await until(lambda: one.connected and two.connected, 4)
        assert states.told == [True, False, True]
        one.publish("gone", b"0")
        one.publish("before", b"1")
        one.publish("during", b"2")
        await until(lambda: len(got) >= 2)
        await asyncio.sleep(0.05)
        assert got == [b"1", b"2"]
        assert await one.claim("uid", 1)
        assert one.statistics() == (3, 0, 5, 1)
        losses = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert any("no connection" in record.getMessage() for record in losses)
        assert len(losses) <= 6, "each bus says once that it lost the server, and if that changes"
    finally:
        await one.aclose()
        await two.aclose()


async def test_a_server_that_freezes(redis_server: RedisServer) -> None:
    """It is noticed within 2 s though its sockets stand, and what was said meanwhile is lost."""
    got: list[bytes] = []
    states = States()
    one, two = RedisBus(redis_server.url), RedisBus(redis_server.url)
    try:
        await one.start(states)
        await two.start(ignore)
        await two.subscribe("room", got.append)
        redis_server.freeze()
        claim = asyncio.create_task(one.claim("uid", 30))
        begun = time.monotonic()
        said = 0
        while one.connected or two.connected:
            assert time.monotonic() - begun < NOTICED
            said += one.publish("room", b"frozen")
            await asyncio.sleep(0.02)
        assert said
        with pytest.raises(BusError, match="lost"):
            await claim
        assert not one.publish("room", b"later")
        assert states.told == [True, False]
        assert one.statistics().published == 0
        assert one.statistics().dropped > said
        redis_server.thaw()
        await until(lambda: one.connected and two.connected, 5)
        one.publish("room", b"thawed")
        await until(lambda: b"thawed" in got)
        assert got == [b"thawed"]
        assert states.told == [True, False, True]
    finally:
        redis_server.thaw()
        await one.aclose()
        await two.aclose()


async def test_a_hiccup_loses_nothing(redis_server: RedisServer) -> None:
    """A server that stands still for half a second is not lost; all arrives in order."""
    got: list[bytes] = []
    async with two_buses(redis_server.url) as (one, two):
        await two.subscribe("room", got.append)
        redis_server.freeze()
        for number in range(25):
            one.publish("room", b"%d" % number)
            await asyncio.sleep(0.02)
        redis_server.thaw()
        await until(lambda: len(got) == 25)
        assert got == [b"%d" % number for number in range(25)]
        assert one.statistics().reconnects == two.statistics().reconnects == 0


async def test_the_end_is_quick_while_the_server_is_frozen(redis_server: RedisServer) -> None:
    """Within 2 s, with more waiting than the sockets take, and no socket is left (conftest)."""
    one = RedisBus(redis_server.url, max_queued_bytes=1 << 26)
    try:
        await one.start(ignore)
        redis_server.freeze()
        for _ in range(3):
            assert one.publish("room", bytes(1 << 24))
        waiting = [
            asyncio.create_task(one.claim("uid", 1)),
            asyncio.create_task(one.subscribe("a", print)),
        ]
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await one.aclose()
        assert time.monotonic() - begun < 1.5
        claim, subscribed = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(claim, BusError)
        assert subscribed is None
        assert one.statistics().dropped == 3
    finally:
        redis_server.thaw()


async def test_the_end_does_not_wait_for_a_server_that_dies(redis_server: RedisServer) -> None:
    """A loss while the last messages leave ends `aclose`, and is neither told nor mended."""
    states = States()
    one = RedisBus(redis_server.url)
    await one.start(states)
    redis_server.freeze()
    one.publish("room", b"last")
    closing = asyncio.create_task(one.aclose())
    await asyncio.sleep(0.1)
    assert not closing.done()
    redis_server.kill()
    begun = time.monotonic()
    await closing
    assert time.monotonic() - begun < 0.3
    assert states.told == [True]
    assert one.statistics() == (0, 0, 1, 0)


async def test_a_claim_that_is_given_up_in_time_is_not_made(redis_server: RedisServer) -> None:
    """What is cancelled before it has left does not leave."""
    async with two_buses(redis_server.url) as (one, two):
        task = asyncio.create_task(one.claim("uid", 30))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await two.claim("uid", 30)


async def test_a_server_that_comes_late(tmp_path: Path) -> None:
    """`start` does not raise, and the first connection is reported when it comes about."""
    got: list[bytes] = []
    states = States()
    server = RedisServer(tmp_path)
    one, two = RedisBus(server.url), RedisBus(server.url)
    try:
        begun = time.monotonic()
        await asyncio.gather(one.start(states), two.start(ignore))
        assert time.monotonic() - begun < START_TIMEOUT + 1
        assert states.told == []
        assert not one.connected
        assert not one.publish("room", b"early")
        await two.subscribe("room", got.append)
        server.start()
        await until(lambda: one.connected and two.connected, 4)
        assert states.told == [True]
        one.publish("room", b"1")
        await until(lambda: got == [b"1"])
        assert one.statistics() == (1, 0, 1, 0)
    finally:
        await one.aclose()
        await two.aclose()
        server.kill()


async def test_start_waits_for_a_server_that_is_about_to_come(tmp_path: Path) -> None:
    """A second later is early enough to be connected when `start` returns."""
    server = RedisServer(tmp_path)
    bus = RedisBus(server.url)
    try:
        task = asyncio.create_task(bus.start(ignore))
        await asyncio.sleep(0.5)
        assert not task.done()
        server.start()
        await task
        assert bus.connected
    finally:
        await bus.aclose()
        server.kill()


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_one_socket_alone_breaks(redis_server: RedisServer, kind: str) -> None:
    """When the server throws out either of the two, both are made anew at once."""
    got: list[bytes] = []
    async with two_buses(redis_server.url) as (one, two):
        await one.subscribe("x", got.append)
        await two.subscribe("room", got.append)
        with suppress(BusError):  # the loss may be seen before the answer
            await ask(one, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        # With "normal", `one` itself is spared.
        broken = [two] if kind == "normal" else [one, two]
        await until(lambda: all(bus.statistics().reconnects == 1 for bus in broken), 3)
        assert one.connected
        one.publish("room", b"1")
        await until(lambda: got == [b"1"])


async def test_many_topics_come_back(redis_server: RedisServer) -> None:
    """3000 topics are subscribed again before the bus says that it is connected."""
    got: list[bytes] = []
    async with two_buses(redis_server.url) as (one, two):
        await asyncio.gather(*(two.subscribe(f"{n}", got.append) for n in range(3000)))
        redis_server.kill()
        await until(lambda: not one.connected and not two.connected, NOTICED)
        redis_server.start()
        await until(lambda: one.connected and two.connected, 6)
        for number in range(0, 3000, 7):
            one.publish(f"{number}", b"")
        await until(lambda: len(got) == len(range(0, 3000, 7)))


async def test_something_else_on_the_port(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is none of Redis is tried again, and the log says what it answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = RedisBus(f"redis://127.0.0.1:{port}")
    try:
        await bus.start(ignore)
        assert not bus.connected
        assert f"127.0.0.1:{port}" in caplog.text
    finally:
        await bus.aclose()
        server.close()
        await server.wait_closed()


async def test_cancelled_calls_harm_nobody(redis_server: RedisServer) -> None:
    """A claim and a subscription that are given up leave the bus as it was."""
    got: list[bytes] = []
    async with two_buses(redis_server.url) as (one, two):
        for _ in range(20):
            tasks = [
                asyncio.create_task(two.claim("uid", 1)),
                asyncio.create_task(two.subscribe("room", got.append)),
                asyncio.create_task(two.unsubscribe("other")),
            ]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await two.subscribe("room", got.append)
        assert await two.claim("another", 1)
        one.publish("room", b"1")
        await until(lambda: got == [b"1"])
        assert two.statistics().reconnects == 0


@pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.3])
async def test_a_start_that_is_cancelled_leaves_nothing(
    redis_server: RedisServer, after: float
) -> None:
    """At any moment of the connecting; the bus may be started then."""
    bus = RedisBus(redis_server.url)
    if after == 0.3:
        redis_server.freeze()
    try:
        task = asyncio.create_task(bus.start(ignore))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bus.aclose()
        assert not bus.connected
        redis_server.thaw()
        await bus.start(ignore)
        assert bus.connected
    finally:
        redis_server.thaw()
        await bus.aclose()


async def test_the_end_comes_at_any_moment_of_a_reconnection(redis_server: RedisServer) -> None:
    """`aclose` while the server dies, is away, and comes back."""
    for wait in (0.0, 0.001, 0.05, 0.3):
        bus = RedisBus(redis_server.url)
        await bus.start(ignore)
        redis_server.kill()
        await asyncio.sleep(wait)
        await bus.aclose()
        assert not bus.connected
        redis_server.start()
