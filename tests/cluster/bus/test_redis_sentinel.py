"""Redis with Sentinels: when the master is killed, the buses meet at its successor."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.cluster.bus import RedisBus

from .listening import States, ask, ignore, until
from .server import RedisServer, Sentinel, needs_redis


@needs_redis
@pytest.mark.soak
@pytest.mark.real_time
async def test_the_successor_of_a_master(tmp_path: Path) -> None:
    """Subscriptions and claims go on there, without a word from the application."""
    states = States()
    got: list[bytes] = []
    with ExitStack() as stack:
        master = RedisServer(tmp_path)
        replica = RedisServer(tmp_path, "--replicaof", "127.0.0.1", str(master.port))
        sentinel = Sentinel(tmp_path, "calls", master)
        for server in (master, replica, sentinel):
            stack.callback(server.kill)
            server.start()
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/calls"
        one, two = RedisBus(url), RedisBus(url)
        try:
            await one.start(states)
            await two.start(ignore)
            assert one.connected
            await two.subscribe("room", got.append)
            assert await one.claim("before", 60)
            await replicated(sentinel)
            master.kill()
            await until(lambda: states.told[-2:] == [False, True] and two.connected, 25)
            assert (await ask(one, "ROLE"))[0] == b"master"
            one.publish("room", b"again")
            await until(lambda: got == [b"again"])
            assert not await two.claim("before", 60)
            assert await two.claim("after", 60)
        finally:
            await one.aclose()
            await two.aclose()


async def replicated(sentinel: Sentinel) -> None:
    """Wait until the Sentinel knows a replica that is up to date."""
    from redis.asyncio import Redis

    async with Redis(port=sentinel.port) as client, asyncio.timeout(20):
        while True:
            replicas = await client.sentinel_slaves("calls")
            if any(one["master-link-status"] == "ok" for one in replicas):
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://host:26379",
        "redis+sentinel:///name",
        "redis+sentinel://host:x/name",
        "redis+sentinel://[host/name",
        "redis+sentinel://user:12/34@host/name",
    ],
)
def test_urls_that_cannot_be_meant(url: str) -> None:
    """A password that was not encoded is not taken for a name, which the log would show."""
    with pytest.raises(ConfigurationError, match="name of the master"):
        RedisBus(url)


def test_no_secret_is_shown() -> None:
    """Neither of the servers nor of the Sentinels."""
    bus = RedisBus("redis+sentinel://u:hunter2@a:1,b/calls/3?sentinel_password=hunter3")
    assert repr(bus) == "<RedisBus redis+sentinel://a:1,b/calls not connected>"
