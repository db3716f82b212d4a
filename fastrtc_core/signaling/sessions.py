"""The peer manager: from an offer to a running session, and back to nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCIceCandidate
from aiortc.exceptions import OperationError

from ..context import Caller, Context, current_context
from ..errors import (
    ConfigurationError,
    MalformedCandidateError,
    MalformedOfferError,
    OfferError,
    UnavailableError,
)
from ..handler import StreamHandlerBase
from ..handler.functions import Modality, Mode
from ..registry import Registry, Slot
from ..session import CloseReason, Hooks, Session, copy_handler
from ..webrtc import ice
from ..webrtc.addresses import allow_candidate
from ..webrtc.flows import Flows, all_flows, negotiate
from ..webrtc.internals import MayCheck
from ..webrtc.options import AudioOptions, OptionsSource, VideoOptions, resolve
from ..webrtc.peer import Peer
from ..webrtc.publishing import PeerPublisher
from ..webrtc.sdp.candidates import advertise_address
from ..webrtc.sdp.description import Description
from ..webrtc.sdp.limits import MAX_CANDIDATES
from ..webrtc.sdp.offers import Offer, read_offer
from ..webrtc.sdp.opus import force_stereo
from .bodies import Envelope, TrickledCandidate, parse_envelope
from .early import EarlyCandidates

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 10.0
"""How long in s an answer may take: the copy of the handler, ICE servers, gathering."""


@dataclass(frozen=True)
class PeerOptions:
    """What a stream asks of its WebRTC sessions; see `Stream`."""

    modality: Modality
    mode: Mode
    time_limit: float | None = None
    rtc_configuration: ice.RtcConfigurationSource = None
    udp_ports: range | None = None
    advertised_address: str | None = None
    may_check: MayCheck = allow_candidate
    audio: OptionsSource[AudioOptions] = None
    video: OptionsSource[VideoOptions] = None
    hooks: Hooks = field(default_factory=Hooks)


class PeerManager:
    """Takes offers and candidates, and runs a session for each offer that it accepts.

    Args:
        prototype: The handler; each session gets a copy.
        registry: Where sessions take their slots.
        options: What else the stream asks for.
    """

    def __init__(
        self, prototype: StreamHandlerBase, registry: Registry, options: PeerOptions
    ) -> None:
        self._prototype = prototype
        self._registry = registry
        self._options = options
        self._early = EarlyCandidates(time.monotonic)
        self._peers: dict[str, _Negotiated] = {}
        # The root tasks of the sessions. Each holds a slot of the registry until it ends, so that
        # `Registry.drain` waits for them.
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, body: Any, caller: Caller | None = None) -> dict[str, Any]:
        """Serve one request to the offer route.

        Args:
            body: The JSON body.
            caller: Who asks, for the context of the session.

        Returns:
            The JSON body of the answer.

        Raises:
            OfferError: If the offer or candidate is refused.
        """
        envelope = parse_envelope(body)
        if isinstance(envelope, TrickledCandidate):
            await self._take_candidate(envelope)
            return {"status": "success"}
        self._registry.check(envelope.webrtc_id)  # a full server reads no SDP
        parsed = read_offer(envelope.sdp)
        flows = negotiate(parsed, self._options.modality, self._options.mode)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            self._serve(envelope, parsed, flows, caller or Caller(), answer), name="fastrtc-session"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await answer

    async def _serve(
        self,
        envelope: Envelope,
        offer: Offer,
        flows: Flows,
        caller: Caller,
        answer: asyncio.Future[dict[str, Any]],
    ) -> None:
        """The life of one session. What fails before the answer is raised where it is awaited."""
        try:
            async with self._registry.slot(envelope.webrtc_id) as slot:
                await self._negotiate_and_run(slot, envelope, offer, flows, caller, answer)
        except OfferError as error:
            _refuse(answer, error)
        except ConfigurationError as error:
            logger.error("an offer could not be served: %s", error)
            _refuse(answer, UnavailableError("the server is not set up correctly; see its log"))
        except Exception:
            # Raised by what the application wrote (`copy`, a function for ICE servers), or a fault
            # of ours: this task is where it must be noticed.
            logger.exception("a session failed")
            _refuse(answer, UnavailableError("the server failed to make a session; see its log"))
        finally:
            if not answer.done():
                answer.cancel()

    async def _negotiate_and_run(
        self,
        slot: Slot,
        envelope: Envelope,
        offer: Offer,
        flows: Flows,
        caller: Caller,
        answer: asyncio.Future[dict[str, Any]],
    ) -> None:
        peer: Peer | None = None
        try:
            with self._registry.entering.count(caller.address):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    session = await self._make_session(slot, envelope, flows, caller)
                    configuration = await ice.resolve(self._options.rtc_configuration)
                    peer = Peer(
                        session,
                        ice.for_aiortc(configuration),
                        self._options.udp_ports,
                        await resolve(self._options.audio, AudioOptions, session.context),
                        await resolve(self._options.video, VideoOptions, session.context),
                        report=session.reporter.error,
                        may_check=self._options.may_check,
                    )
                    sdp = await self._answer(peer, slot, offer, session)
                if answer.cancelled():  # whoever asked is gone
                    session.abandon(CloseReason.FAILED)
                    return
                answer.set_result({"sdp": sdp, "type": "answer", "webrtc_id": slot.id})
                connected = await _connected(peer, session)
            if connected:
                await self._run(peer, session)
        except TimeoutError:
            raise UnavailableError("the server took too long to answer the offer") from None
        finally:
            self._peers.pop(slot.id, None)
            if peer is not None:
                await peer.close()

    async def _make_session(
        self, slot: Slot, envelope: Envelope, flows: Flows, caller: Caller
    ) -> Session:
        context = Context(
            slot.id, "webrtc", envelope.params, caller.headers, caller.user, caller.state
        )
        # For `copy` and a function for ICE servers; the session adds its own to the same task.
        current_context.set(context)
        handler = await copy_handler(self._prototype, slot.id)
        if envelope.args is not None:
            handler.set_args(envelope.args)
        session = Session(
            handler,
            context,
            receives=flows.receives,
            sends=flows.sends,
            time_limit=self._options.time_limit,
            hooks=self._options.hooks,
        )
        slot.attach(session)
        return session

    async def _answer(self, peer: Peer, slot: Slot, offer: Offer, session: Session) -> str:
        try:
            sdp = await peer.answer(offer.sdp)
        except OSError as error:
            raise UnavailableError(str(error)) from None
        except OperationError:
            raise MalformedOfferError(
                "the offer has no codec in common with this server: it speaks Opus, VP8 and H.264"
            ) from None
        except Exception as error:
            # aiortc says in many ways that it cannot serve an offer (a section lacks something, or
            # contradicts another); none of them is more than a fault of the offer.
            logger.info("an offer was refused: %s", error, exc_info=error)
            raise MalformedOfferError(f"the offer cannot be answered: {error}") from None
        negotiated = self._peers[slot.id] = _Negotiated(peer, offer.ufrags)
        for early in self._early.take(slot.id, offer.ufrags):
            await negotiated.add(early)
        description = Description.parse(sdp)
        if session.handler.expected_layout == "stereo":
            force_stereo(description)
        if self._options.advertised_address is not None:
            advertise_address(description, self._options.advertised_address)
        return str(description)

    async def _run(self, peer: Peer, session: Session) -> None:
        async with asyncio.TaskGroup() as tasks:
            may_flow = all_flows(self._options.modality, self._options.mode)
            publisher = PeerPublisher(peer, session, may_flow)
            pumps = [tasks.create_task(peer.run()), tasks.create_task(publisher.run())]
            try:
                await session.run()
            finally:
                for pump in pumps:
                    pump.cancel()

    async def _take_candidate(self, trickled: TrickledCandidate) -> None:
        negotiated = self._peers.get(trickled.webrtc_id)
        if negotiated is None:
            self._early.add(trickled)
        else:
            await negotiated.add(trickled)


class _Negotiated:
    """A peer that has answered, and the candidates that it was told since."""

    def __init__(self, peer: Peer, ufrags: frozenset[str]) -> None:
        self._peer = peer
        self._ufrags = ufrags
        self._count = 0

    async def add(self, trickled: TrickledCandidate) -> None:
        """Hand a candidate to the peer.

        Raises:
            MalformedCandidateError: If it belongs to another offer, or there are too many.
        """
        if trickled.ufrag is not None and trickled.ufrag not in self._ufrags:
            raise MalformedCandidateError("the candidate belongs to another offer")
        self._count += 1
        if self._count > MAX_CANDIDATES:
            raise MalformedCandidateError(f"more than {MAX_CANDIDATES} candidates were sent")
        candidate: RTCIceCandidate | None = trickled.candidate
        if candidate is not None:
            await self._peer.add_candidate(candidate)


async def _connected(peer: Peer, session: Session) -> bool:
    """Wait for the connection, or for the session to be stopped before there is one."""
    async with asyncio.TaskGroup() as tasks:
        connecting = tasks.create_task(peer.connected())
        stopped = tasks.create_task(session.stopped())
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        connected = connecting.done() and not stopped.done() and connecting.result()
        connecting.cancel()
        stopped.cancel()
    if not connected:
        logger.info("session %s was not connected", session.id)
        session.abandon(CloseReason.FAILED)
    return connected


def _refuse(answer: asyncio.Future[dict[str, Any]], error: OfferError) -> None:
    if not answer.done():
        answer.set_exception(error)
