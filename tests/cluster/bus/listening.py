"""Waiting for what a bus brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastrtc_core.cluster.bus import RedisBus


async def until(holds: Callable[[], bool], timeout: float = 5.0) -> float:
    """Wait until something holds; how long it took in s."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not holds():
        assert loop.time() - begun < timeout, "it has not come about"
        await asyncio.sleep(0.002)
    return loop.time() - begun


class States:
    """What a bus has told of its connection, and when."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self.at: list[float] = []

    def __call__(self, connected: bool) -> None:
        self.told.append(connected)
        self.at.append(asyncio.get_running_loop().time())


def ignore(connected: bool) -> None:
    """For who does not care."""


@asynccontextmanager
async def two_buses(url: str) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    """Two over one server, started."""
    one, two = RedisBus(url), RedisBus(url)
    try:
        await one.start(ignore)
        await two.start(ignore)
        yield one, two
    finally:
        await one.aclose()
        await two.aclose()


async def ask(bus: RedisBus, *command: str | bytes | int) -> Any:
    """What the server of a bus answers to a command."""
    link = bus._link
    assert link is not None
    return await link.request(*command)
