"""What a member of this process needs of its engine, and the engine of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ..room.grants import Grant
from ..room.room import Member, Room
from .options import RtcOptions


class Leaver(Protocol):
    """Who is in a channel, and can be made to leave."""

    async def disconnect(self) -> None:
        """See `Channel.disconnect`."""


class Owner(Protocol):
    """Owns the rooms of a process, and the tasks of the members that it has there."""

    @property
    def appid(self) -> str:
        """Which application this is."""

    @property
    def appcert(self) -> str:
        """The secret with which tokens are signed."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of it all."""

    async def start_once(self) -> None:
        """See `RtcEngine.start_once`."""

    def grant(self, options: RtcOptions) -> Grant:
        """What a member in this process may do."""

    def room(self, name: str) -> Room:
        """The room of a channel, for somebody who joins it at once."""

    def note(self, channel: Leaver, *, connected: bool) -> None:
        """Remember a member of this process while it is in its channel."""

    async def renew(self, member: Member, room: Room, token: str) -> None:
        """See `Channel.renew_token`."""

    def own(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine for as long as the engine runs."""

    def call(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Run a callback of the application."""
