"""Several servers of one application, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastrtc_core.channel import Channel, RtcEngine, RtcOptions
from fastrtc_core.cluster.bus import MemoryBus, MemoryHub

APP = "app"
ROOM = "room"


class Servers(list[RtcEngine]):
    """The engines, and the bus of each."""

    def __init__(self, count: int, appcert: str = "") -> None:
        hub = MemoryHub()
        self.buses = [MemoryBus(hub) for _ in range(count)]
        super().__init__(RtcEngine(APP, appcert, bus=bus) for bus in self.buses)

    async def join(self, server: int, uid: int, **options: Any) -> Channel:
        """A member of this process, on one of the servers."""
        channel = self[server].create_channel(RtcOptions(channel_name=ROOM, uid=uid, **options))
        await channel.connect()
        return channel


@asynccontextmanager
async def servers(count: int, appcert: str = "") -> AsyncIterator[Servers]:
    """So many servers, linked."""
    made = Servers(count, appcert)
    async with AsyncExitStack() as stack:
        for engine in made:
            await stack.enter_async_context(engine)
        yield made


async def settle(seconds: float = 0.2) -> None:
    """Let the servers talk."""
    await asyncio.sleep(seconds)
