"""`Busy`: whether anybody is at work."""

from __future__ import annotations

import asyncio


class Busy:
    """Counts who is at work: `with busy: …`."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._count += 1
        self._idle.clear()

    def __exit__(self, *exc_info: object) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Wait until nobody is."""
        await self._idle.wait()
