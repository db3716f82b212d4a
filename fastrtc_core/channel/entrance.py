"""What the acceptor runs for a channel: a member for each browser."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..context import Caller, Context, current_context
from ..errors import (
    ConcurrencyLimitError,
    DuplicateSessionError,
    MalformedOfferError,
    SessionGoneError,
)
from ..messaging.naming import MAX_NAME, is_unicode
from ..room.browser_member import BrowserMember
from ..room.grants import Grant
from ..room.room import MAX_USERS, Room
from ..session import CloseReason, Hooks, call_hook
from ..signaling.acceptor import Party
from ..signaling.bodies import Envelope
from ..webrtc.flows import Flows, negotiate
from ..webrtc.options import AudioOptions
from ..webrtc.peer import Peer
from ..webrtc.publishing import answer_unchanged
from ..webrtc.sdp.offers import Offer
from .admission import Admission

logger = logging.getLogger(__name__)

MAX_CHANNELS = 1000
"""Channels of an engine, unless it is told otherwise."""

MAX_UID = 2**32 - 1


@dataclass(frozen=True)
class EntranceOptions:
    """What an engine asks of those who come in; see `RtcEngine`."""

    max_users: int = MAX_USERS
    max_channels: int = MAX_CHANNELS
    audio: AudioOptions = field(default_factory=AudioOptions)
    hooks: Hooks = field(default_factory=Hooks)


class Entrance:
    """The entrance of all channels.

    Args:
        admission: Knows who may come in.
        rooms: The rooms that there are, by channel.
        find_room: Finds the room of a channel, or makes it.
        renew: Takes a new token of a member, and tells it what became of it.
        options: What the engine asks of who comes in.

    Attributes:
        entering: How many connect, by channel.
    """

    def __init__(
        self,
        admission: Admission,
        rooms: Mapping[str, Room],
        find_room: Callable[[str], Room],
        renew: Callable[[BrowserMember, Room, str], None],
        options: EntranceOptions,
    ) -> None:
        self.admission = admission
        self.find_room = find_room
        self.renew = renew
        self.options = options
        self.entering: Counter[str] = Counter()
        self._rooms = rooms

    def admit(self, envelope: Envelope, caller: Caller) -> MemberVisit:
        """See `Acceptor`: who has a token that allows it, while there is room."""
        name = str(envelope.params.get("name", ""))[:MAX_NAME]
        if not is_unicode(name):
            raise MalformedOfferError("the name of a user must be Unicode text")
        grant = self.admission.grant(envelope.params)
        if not grant.uid:
            grant = grant._replace(uid=self.free_uid(grant.channel))
        self.check(grant)
        return MemberVisit(self, grant, grant.name or name, envelope.params, caller)

    def check(self, grant: Grant) -> None:
        """Refuse early what would be refused when the connection stands.

        Raises:
            DuplicateSessionError: If the user is there already.
            ConcurrencyLimitError: If the channel is full, or there are too many channels.
        """
        room, options = self._rooms.get(grant.channel), self.options
        if room is not None and grant.uid in room.members:
            raise DuplicateSessionError(f"there is a user {grant.uid} already")
        users = self.entering[grant.channel] + (len(room.members) if room is not None else 0)
        if users >= options.max_users:
            raise ConcurrencyLimitError(f"{grant.channel!r} is full", limit=options.max_users)
        if room is None and len(self._rooms) >= options.max_channels:
            limit = options.max_channels
            raise ConcurrencyLimitError("there are too many channels", limit=limit)

    @contextmanager
    def at_the_door(self, grant: Grant) -> Iterator[None]:
        """Count somebody who connects; raises as `check` does."""
        self.check(grant)
        self.entering[grant.channel] += 1
        try:
            yield
        finally:
            self.entering[grant.channel] -= 1
            if not self.entering[grant.channel]:
                del self.entering[grant.channel]

    def free_uid(self, channel: str) -> int:
        """One that nobody in a channel has."""
        room = self._rooms.get(channel)
        while True:
            uid = secrets.randbelow(MAX_UID) + 1
            if room is None or uid not in room.members:
                return uid


class MemberVisit:
    """One browser; see `Visit`.

    Args:
        entrance: Where it comes in.
        grant: Who it is, and what it may do.
        name: What it is called.
        params: What it has sent.
        caller: Who asks.
    """

    def __init__(
        self,
        entrance: Entrance,
        grant: Grant,
        name: str,
        params: Mapping[str, Any],
        caller: Caller,
    ) -> None:
        self._entrance = entrance
        self._grant = grant
        self._name = name
        # Whoever reads the context needs no token, and might write it somewhere.
        known = {key: value for key, value in params.items() if key != "token"}
        known |= {"channel": grant.channel, "uid": grant.uid, "name": name}
        self._context = Context(
            f"{grant.channel}/{grant.uid}",
            "webrtc",
            known,
            caller.headers,
            caller.user,
            caller.state,
        )
        self._member: BrowserMember
        self._peer: Peer | None = None
        self._door = ExitStack()

    @property
    def id(self) -> str:
        """The uid."""
        return str(self._grant.uid)

    def negotiate(self, offer: Offer) -> Flows:
        """Audio and video, both ways; pictures are handed on as they came."""
        return negotiate(offer, "audio-video", "send-receive", forwarded=True)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Be counted among those who connect to its channel, until the room counts it."""
        with self._door:
            self._door.enter_context(self._entrance.at_the_door(self._grant))
            yield

    async def enter(self, flows: Flows) -> Party:
        """Use the token, and make the member."""
        entrance, grant = self._entrance, self._grant
        current_context.set(self._context)
        await entrance.admission.use(grant)
        self._member = member = BrowserMember(
            grant, self._name, entrance.find_room, flows, entrance.renew, entrance.options.audio
        )
        return Party(member, self._context)

    def answered(self) -> Mapping[str, Any]:
        """There is no more to say."""
        return {}

    def abandon(self) -> None:
        """It was in no room."""
        self._member.stop(CloseReason.FAILED)

    async def run(self, peer: Peer) -> None:
        """Be in the room."""
        if self._entrance.admission.is_revoked(self._grant):
            return
        self._peer = peer
        async with asyncio.TaskGroup() as tasks:
            media = tasks.create_task(peer.run())
            try:
                await self._be_there(peer.max_message_size)
            finally:
                media.cancel()

    async def answer_again(self, offer: dict[str, Any]) -> str:
        """Restart ICE; a member publishes nothing further."""
        if self._peer is None:
            raise SessionGoneError("the member is not in the channel yet")
        return await answer_unchanged(self._peer, offer["sdp"])

    async def _be_there(self, max_message_size: float) -> None:
        hooks, member, grant = self._entrance.options.hooks, self._member, self._grant
        await _tell(hooks.on_connect, "on_connect", self._context)
        self._door.close()
        try:
            await member.run(max_message_size)
        finally:
            logger.info("user %d has left %r: %s", grant.uid, grant.channel, member.reason)
            await _tell(hooks.on_disconnect, "on_disconnect", member.reason, self._context)


async def _tell(hook: Callable[..., Any] | None, name: str, *args: Any) -> None:
    """Call a hook; what it raises is nobody's end."""
    try:
        await call_hook(hook, name, *args)
    except Exception:
        logger.exception("%s failed", name)
