"""`Cluster`: this server among those that share its channels."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ..errors import BusError, FastRTCError
from ..room.grants import Grant
from ..room.orders import Order, read_order
from ..room.room import Room
from .bus import Bus
from .room_link import RoomLink
from .wire import ID_SIZE, pack_note, unpack

logger = logging.getLogger(__name__)

HEARTBEAT = 1.0
"""Time in s between two states of a room that a server sends."""

LONGEST_CLAIM = 365 * 86400.0
"""Time in s for which it is remembered that a token was used."""


class Cluster:
    """Links the rooms of this server with those of others.

    Args:
        appid: Whose channels.
        bus: What carries it.
        own: Runs a coroutine in a task that somebody owns.
        obey: Carries out what was ordered on another server.
    """

    def __init__(
        self,
        appid: str,
        bus: Bus,
        own: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        obey: Callable[[Order], None],
    ) -> None:
        self._obey = obey
        self._appid = appid
        self._bus = bus
        self._own = own
        self._id = b""
        self._links: dict[str, RoomLink] = {}
        self._rooms: dict[str, Room] = {}
        self._subscribed: set[str] = set()
        self._subscribing = asyncio.Lock()

    async def start(self) -> None:
        """Connect to the bus, and say every second that this server is there."""
        # Not before: processes may be copies of one that has made this.
        self._id = secrets.token_bytes(ID_SIZE)
        await self._bus.start(self._note_state)
        await self._bus.subscribe(f"{self._appid}/orders", self._take_order)
        self._own(self._beat())

    async def aclose(self) -> None:
        """Leave the bus; all rooms have been left."""
        await self._bus.aclose()

    async def claim(self, grant: Grant) -> bool:
        """Whether a token is used for the first time on any server.

        Raises:
            BusError: If that cannot be said now.
        """
        ttl = min(max(1.0, grant.expires - time.time()), LONGEST_CLAIM)
        return await self._bus.claim(f"{self._appid}/token/{grant.id}", ttl)

    def order(self, order: Order) -> None:
        """Have all other servers carry this out.

        Raises:
            BusError: If they cannot be told now.
        """
        note = pack_note(self._id, {"type": "order", **order._asdict()})
        if not (self._bus.connected and self._bus.publish(f"{self._appid}/orders", note)):
            raise BusError("it was done here, but the other servers cannot be told: try again")

    def _take_order(self, data: bytes) -> None:
        try:
            server, note = unpack(data)
            if server != self._id and isinstance(note, dict):
                self._obey(read_order(note))
        except FastRTCError as error:
            logger.warning("an order of another server was dropped: %s", error)
        except Exception:
            logger.exception("an order of another server could not be carried out")

    def link(self, room: Room) -> RoomLink:
        """Link a room that is new here."""
        link = RoomLink(room, self._id, self._bus, self._topic(room.name), self._own)
        self._links[room.name] = link
        self._rooms[room.name] = room
        self._own(self._subscribe(room.name))
        return link

    def unlink(self, room: Room) -> None:
        """Let go a room in which nobody is any longer; idempotent."""
        link = self._links.pop(room.name, None)
        self._rooms.pop(room.name, None)
        if link is not None:
            link.close()
            self._own(self._subscribe(room.name))

    async def _subscribe(self, name: str) -> None:
        """Hear of a room if it is linked, and otherwise not; one change at a time."""
        async with self._subscribing:
            if name in self._links and name not in self._subscribed:
                self._subscribed.add(name)
                await self._bus.subscribe(self._topic(name), partial(self._take, name))
            elif name not in self._links and name in self._subscribed:
                await self._bus.unsubscribe(self._topic(name))
                self._subscribed.discard(name)
        if name in self._links:
            self._links[name].ask()

    def _take(self, name: str, data: bytes) -> None:
        if name in self._links:
            self._links[name].take(data)

    def _topic(self, name: str) -> str:
        return f"{self._appid}/room/{name}"

    def _note_state(self, connected: bool) -> None:
        if connected:
            logger.info("the other servers can be reached")
        else:
            logger.warning("the other servers cannot be reached: members here hear each other only")
        for room in tuple(self._rooms.values()):
            room.note_reach()
        for link in tuple(self._links.values()) if connected else ():
            link.ask()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + HEARTBEAT, loop.time())
            await asyncio.sleep(due - loop.time())
            for link in tuple(self._links.values()):
                try:
                    link.beat()
                except Exception:
                    logger.exception("a room could not be kept in step")
