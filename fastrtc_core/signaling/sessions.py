"""What the acceptor runs for a stream: a session of its handler for each client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ..context import Caller, Context, current_context
from ..errors import SessionGoneError
from ..handler import StreamHandlerBase
from ..handler.functions import Modality, Mode
from ..registry import Registry, Slot
from ..session import CloseReason, Hooks, Session, copy_handler
from ..webrtc.flows import Flows, all_flows, negotiate
from ..webrtc.peer import Peer
from ..webrtc.publishing import PeerPublisher
from ..webrtc.sdp.offers import Offer
from .acceptor import Party
from .bodies import Envelope


@dataclass(frozen=True)
class SessionOptions:
    """What a stream asks of its sessions; see `Stream`."""

    modality: Modality
    mode: Mode
    time_limit: float | None = None
    hooks: Hooks = field(default_factory=Hooks)


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

    def admit(self, envelope: Envelope, caller: Caller) -> SessionVisit:
        """See `Acceptor`: anybody may come in who got as far as here, while there is room."""
        self._registry.check(envelope.webrtc_id)
        return SessionVisit(self._prototype, self._registry, self._options, envelope, caller)


class SessionVisit:
    """One session; see `Visit`."""

    def __init__(
        self,
        prototype: StreamHandlerBase,
        registry: Registry,
        options: SessionOptions,
        envelope: Envelope,
        caller: Caller,
    ) -> None:
        self._prototype = prototype
        self._registry = registry
        self._options = options
        self._envelope = envelope
        self._caller = caller
        self._slot: Slot
        self._session: Session
        self._publisher: PeerPublisher | None = None

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
        self._session = session = Session(
            handler,
            context,
            receives=flows.receives,
            sends=flows.sends,
            time_limit=self._options.time_limit,
            hooks=self._options.hooks,
        )
        slot.attach(session)
        stereo = handler.expected_layout == "stereo"
        return Party(session, session.context, stereo, session.reporter.error)

    def abandon(self) -> None:
        """Its handler is not started."""
        self._session.abandon(CloseReason.FAILED)

    async def run(self, peer: Peer) -> None:
        """Run the session, and beside it what its client publishes later."""
        async with asyncio.TaskGroup() as tasks:
            may_flow = all_flows(self._options.modality, self._options.mode)
            self._publisher = publisher = PeerPublisher(peer, self._session, may_flow)
            pumps = [tasks.create_task(peer.run()), tasks.create_task(publisher.run())]
            try:
                await self._session.run()
            finally:
                for pump in pumps:
                    pump.cancel()

    async def answer_again(self, offer: dict[str, Any]) -> str:
        """Answer it in turn with those that come over the data channel."""
        if self._publisher is None:
            raise SessionGoneError("the session has not begun yet")
        return await self._publisher.answer(offer)
