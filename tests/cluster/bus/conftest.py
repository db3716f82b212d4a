"""Redis servers, and makers of buses of each kind."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core.cluster.bus import Bus, LocalBus, MemoryBus, MemoryHub, RedisBus

from .listening import ignore
from .server import RedisServer

_numbers = itertools.count()

Meet = Callable[..., AbstractAsyncContextManager[list[Bus]]]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that runs, and is gone after the test whatever became of it."""
    server = RedisServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(params=["memory", "local", "redis"])
def meet(request: pytest.FixtureRequest) -> Meet:
    """Makes buses of one kind that meet, started: `async with meet(2, max_queued=9) as (a, b)`."""
    if request.param == "redis":
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed: apt-get install redis-server")
        url = request.getfixturevalue("redis_server").url

        def make(**options: Any) -> Bus:
            return RedisBus(url, **options)
    elif request.param == "local":
        if not sys.platform.startswith("linux"):
            pytest.skip("LocalBus needs Linux")
        name = f"test-{os.getpid()}-{next(_numbers)}"

        def make(**options: Any) -> Bus:
            return LocalBus(name, **options)
    else:
        hub = MemoryHub()

        def make(**options: Any) -> Bus:
            return MemoryBus(hub, **options)

    @asynccontextmanager
    async def met(count: int, *, start: bool = True, **options: Any) -> AsyncIterator[list[Bus]]:
        buses = [make(**options) for _ in range(count)]
        try:
            for bus in buses:
                if start:
                    await bus.start(ignore)
            yield buses
        finally:
            for bus in buses:
                await bus.aclose()

    return met
