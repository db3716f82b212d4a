"""What the acceptor runs for a stream: a session of its handler for each client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ..context import Caller, Context, current_context
from ..errors import SessionGoneError
from ..handler import StreamHandlerBase
from ..handler.functions import Modality, Mode
from ..registry import Registry, Slot
from ..session import CloseReason, Hooks, Session, copy_handler
from ..webrtc.attachment import Attachment
from ..webrtc.flows import Flows, all_flows, negotiate
from ..webrtc.peer import Peer
from ..webrtc.publishing import PeerPublisher
from ..webrtc.sdp.offers import Offer
from .acceptor import Party, Visit
from .bodies import Envelope
from .seats import Seat
from .standing import StandingClients

UNHEARD = 0.25
"""Time in s that what is said takes until it was heard: the way, and the buffer of the client."""


@dataclass(frozen=True)
class SessionOptions:
    """What a stream asks of its sessions; see `Stream`."""

    modality: Modality
    mode: Mode
    time_limit: float | None = None
    hooks: Hooks = field(default_factory=Hooks)
    resume_timeout: float | None = None

    @property
    def may_flow(self) -> Flows:
        """What may flow in a session."""
        return all_flows(self.modality, self.mode)


class Sessions:
    """The sessions of one handler.

    Args:
        prototype: The handler; each session gets a copy.
        registry: Where sessions take their slots.
        options: What else the stream asks for.
    """

    def __init__(
        self, prototype: StreamHandlerBase, registry: Registry, options: SessionOptions
    ) -> None:
        self._prototype = prototype
        self._registry = registry
        self._options = options
        self._seats = StandingClients[Seat]()

    def admit(self, envelope: Envelope, caller: Caller) -> Visit:
        """See `Acceptor`: anybody may come in who got as far as here, while there is room.

        Who comes back has its place already.
        """
        if isinstance(envelope.resume, str):
            seat = self._seats.find(envelope.webrtc_id or "", envelope.resume)
            return ReturnVisit(seat, self._options, envelope.args)
        self._registry.check(envelope.webrtc_id)
        return SessionVisit(
            self._prototype, self._registry, self._options, self._seats, envelope, caller
        )


class SessionVisit:
    """One session, and the first connection to it; see `Visit`."""

    def __init__(
        self,
        prototype: StreamHandlerBase,
        registry: Registry,
        options: SessionOptions,
        seats: StandingClients[Seat],
        envelope: Envelope,
        caller: Caller,
    ) -> None:
        self._prototype = prototype
        self._registry = registry
        self._options = options
        self._seats = seats
        self._envelope = envelope
        self._caller = caller
        self._slot: Slot
        self._session: Session
        self._publisher: PeerPublisher | None = None
        self._seat: Seat | None = None
        self._attachment: Attachment | None = None

    @property
    def id(self) -> str:
        """The id of the session."""
        return self._slot.id

    def negotiate(self, offer: Offer) -> Flows:
        """What the modality and mode of the stream allow."""
        return negotiate(offer, self._options.modality, self._options.mode)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A slot of the registry, which `Registry.drain` waits for."""
        async with self._registry.slot(self._envelope.webrtc_id) as self._slot:
            yield

    async def enter(self, flows: Flows) -> Party:
        """Copy the handler, and make its session."""
        envelope, caller, slot = self._envelope, self._caller, self._slot
        context = Context(
            slot.id, "webrtc", envelope.params, caller.headers, caller.user, caller.state
        )
        # For `copy` and a function for ICE servers; the session adds its own to the same task.
        current_context.set(context)
        handler = await copy_handler(self._prototype, slot.id)
        if envelope.args is not None:
            handler.set_args(envelope.args)
        timeout = self._options.resume_timeout if envelope.resume else None
        self._session = session = Session(
            handler,
            context,
            receives=flows.receives,
            sends=flows.sends,
            time_limit=self._options.time_limit,
            hooks=self._options.hooks,
            resumable=timeout is not None,
        )
        slot.attach(session)
        if timeout is None:
            return _party(session, session)
        self._seat = Seat(session, timeout, self._seats)
        self._attachment = self._seat.expect(flows)
        return _party(self._attachment, session)

    def answered(self) -> Mapping[str, Any]:
        """With what the client comes back, if it can."""
        return {} if self._seat is None else _told(self._seat)

    def abandon(self) -> None:
        """Its handler is not started."""
        self._session.abandon(CloseReason.FAILED)

    async def run(self, peer: Peer) -> None:
        """Run the session, and beside it what its client publishes later."""
        self._publisher = publisher = PeerPublisher(peer, self._session, self._options.may_flow)
        if self._seat is not None and self._attachment is not None:
            await self._run_seated(peer, publisher, self._seat, self._attachment)
            return
        async with asyncio.TaskGroup() as tasks:
            pumps = [tasks.create_task(peer.run()), tasks.create_task(publisher.run())]
            try:
                await self._session.run()
            finally:
                for pump in pumps:
                    pump.cancel()

    async def answer_again(self, offer: dict[str, Any]) -> str:
        """Answer it in turn with those that come over the data channel."""
        return await _answer_again(self._publisher, offer)

    async def _run_seated(
        self, peer: Peer, publisher: PeerPublisher, seat: Seat, attachment: Attachment
    ) -> None:
        """Run the session over this connection, and those that take its place."""
        seat.take(attachment, peer)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_carry(seat, peer, publisher, attachment))
            try:
                await self._session.run()
            finally:
                seat.close()
        await seat.empty()


class ReturnVisit:
    """A further connection to a session whose client was away; see `Visit`."""

    def __init__(self, seat: Seat, options: SessionOptions, args: list[Any] | None) -> None:
        self._seat = seat
        self._session = seat.session
        self._options = options
        self._args = args
        self._attachment: Attachment | None = None
        self._publisher: PeerPublisher | None = None

    @property
    def id(self) -> str:
        """The id of the session."""
        return self._session.id

    def negotiate(self, offer: Offer) -> Flows:
        """What the modality and mode of the stream allow."""
        return negotiate(offer, self._options.modality, self._options.mode)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """The session has its slot, and keeps it until this is taken apart."""
        with self._seat:
            try:
                yield
            finally:
                if self._attachment is not None:
                    self._seat.give_up(self._attachment)

    async def enter(self, flows: Flows) -> Party:
        """Take the place of the connection before, and of others that are on their way."""
        current_context.set(self._session.context)
        self._attachment = attachment = self._seat.expect(flows)
        await self._seat.settled()
        self._seat.check(attachment)
        attachment.begin_missing()
        if self._args is not None:
            self._session.handler.set_args(self._args)
        return _party(attachment, self._session)

    def answered(self) -> Mapping[str, Any]:
        """With what the client comes back the next time."""
        assert self._attachment is not None
        self._seat.check(self._attachment)
        return _told(self._seat)

    def abandon(self) -> None:
        """The client is still away."""

    async def run(self, peer: Peer) -> None:
        """Carry the session until this connection is lost, or the session has ended."""
        attachment = self._attachment
        assert attachment is not None
        publisher = self._publisher = PeerPublisher(peer, self._session, self._options.may_flow)
        if self._seat.take(attachment, peer):
            await _carry(self._seat, peer, publisher, attachment)

    async def answer_again(self, offer: dict[str, Any]) -> str:
        """Answer it in turn with those that come over the data channel."""
        return await _answer_again(self._publisher, offer)


async def _carry(seat: Seat, peer: Peer, publisher: PeerPublisher, attachment: Attachment) -> None:
    """Move what flows between a session and one connection, until that has ended; then close it.

    What was said and certainly not heard is put back, before the next connection begins.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            again = publisher.publish_again(seat.published)
            works = (peer.run(), publisher.run(), again)
            pumps = [tasks.create_task(work) for work in works]
            await attachment.ended()
            for pump in pumps:
                pump.cancel()
        if seat.session.close_reason is None:
            heard_until = peer.certain - UNHEARD
            seat.published = publisher.leave()
            await peer.detach()
            seat.session.put_back(heard_until)
    finally:
        attachment.detached.set()
    await peer.close()


def _party(endpoint: Session | Attachment, session: Session) -> Party:
    stereo = session.handler.expected_layout == "stereo"
    return Party(endpoint, session.context, stereo, session.reporter.error)


def _told(seat: Seat) -> dict[str, Any]:
    return {"resume": seat.offered, "resume_timeout": seat.timeout}


async def _answer_again(publisher: PeerPublisher | None, offer: dict[str, Any]) -> str:
    if publisher is None:
        raise SessionGoneError("the session has not begun yet")
    return await publisher.answer(offer)
