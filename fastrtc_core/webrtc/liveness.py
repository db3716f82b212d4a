"""Noticing within five seconds that a peer has vanished.

aiortc has no `disconnected` state and gives a peer up after half a minute. Here any authenticated
packet counts as a sign of life; in silence the peer is asked for one over STUN, which every client
answers whatever else it sends. What anybody could have sent counts for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCPeerConnection

from ..session import CloseReason
from . import internals

INTERVAL = 0.5
"""Time in s between two looks."""

ASK_AFTER = 1.0
"""Silence in s after which the peer is asked."""

LOST_AFTER = 4.0
"""Silence in s after which the peer is lost."""


class Liveness:
    """Watches one connection.

    Args:
        pc: The connection, once it stands.
        stop: Called with `CloseReason.LOST` when the peer has vanished.
    """

    def __init__(self, pc: RTCPeerConnection, stop: Callable[[CloseReason], None]) -> None:
        self._pc = pc
        self._stop = stop
        self._heard = 0.0
        self._packets = -1
        self._looked = self._certain = asyncio.get_running_loop().time()

    @property
    def certain(self) -> float:
        """The latest loop time (s) of which it is known that the peer was there."""
        heard_since = internals.packets_heard(self._pc) != self._packets
        return self._looked if heard_since else self._certain

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Watch until the peer is lost; asks in tasks of the given group."""
        loop = asyncio.get_running_loop()
        self._heard = self._looked = self._certain = loop.time()
        while True:
            asleep = loop.time()
            await asyncio.sleep(INTERVAL)
            now = loop.time()
            received = internals.packets_heard(self._pc)
            # Where this process itself stood still, what the peer sent in the meantime may not
            # have been read yet.
            stalled = now - asleep > 2 * INTERVAL
            if received != self._packets:
                self._packets, self._certain = received, asleep
                self._heard = now
            elif stalled:
                self._heard = now
            elif now - self._heard >= LOST_AFTER:
                self._stop(CloseReason.LOST)
                return
            elif now - self._heard >= ASK_AFTER:
                tasks.create_task(self._ask())
            self._looked = now

    async def _ask(self) -> None:
        asked = asyncio.get_running_loop().time()
        if await internals.probe(self._pc):
            self._heard = max(self._heard, asked)
            self._certain = max(self._certain, asked)
