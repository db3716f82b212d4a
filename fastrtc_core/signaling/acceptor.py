"""The acceptor: from an offer to a running endpoint, and back to nothing, step by step."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from aiortc import RTCConfiguration
from aiortc.exceptions import OperationError
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from ..context import Caller, Context
from ..errors import ConfigurationError, MalformedOfferError, OfferError, UnavailableError
from ..registry import Entering
from ..webrtc import ice
from ..webrtc.addresses import allow_candidate
from ..webrtc.endpoint import Endpoint
from ..webrtc.failures import Report, log_failure
from ..webrtc.flows import Flows
from ..webrtc.internals import MayCheck
from ..webrtc.options import AudioOptions, MediaPorts, OptionsSource, VideoOptions, resolve
from ..webrtc.peer import Peer
from ..webrtc.sdp.description import Description
from ..webrtc.sdp.offers import Offer, read_offer
from ..webrtc.sdp.opus import force_stereo
from ..webrtc.sockets import EXHAUSTED
from .bodies import Envelope
from .standing import StandingClients, new_secret
from .trickling import Trickling

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 10.0
"""How long in s an answer may take: the copy of the handler, ICE servers, gathering."""

_ANY_WAY = RTCIceTransportPolicy.ALL


class Joining(Endpoint, Protocol):
    """What a peer connects, while it is on its way."""

    async def stopped(self) -> None:
        """Wait until it was told to end."""


@dataclass(frozen=True)
class Party:
    """What is to be connected, and how.

    Attributes:
        endpoint: What sends and receives.
        context: What is known of it, for options that a function chooses.
        stereo: Whether it wants to be sent stereo.
        report: Told of media that could not be sent.
    """

    endpoint: Joining
    context: Context
    stereo: bool = False
    report: Report = log_failure


class Visit(Protocol):
    """One client from its offer to its end: what differs between a stream and a channel.

    Each method is called once at most, in this order; `abandon` in place of `run`, and
    `answer_again` as often as the client offers while `run` goes on.
    """

    @property
    def id(self) -> str:
        """What the client is told that it is called; it stands once it has its place."""

    def negotiate(self, offer: Offer) -> Flows:
        """Decide which media flow; raises `OfferError`."""

    def place(self) -> AbstractAsyncContextManager[object]:
        """Its place for as long as the context lasts; entering it raises `OfferError`."""

    async def enter(self, flows: Flows) -> Party:
        """Check what may be checked once alone, and make the endpoint; raises `OfferError`."""

    def answered(self) -> Mapping[str, Any]:
        """It is about to be answered: what else it is told. Raises `OfferError`."""

    def abandon(self) -> None:
        """It was not answered, or never connected."""

    async def run(self, peer: Peer) -> None:
        """The connection stands: be there until it ends."""

    async def answer_again(self, offer: dict[str, Any]) -> str:
        """Answer a further offer, which may restart ICE; raises `OfferError`."""


@dataclass(frozen=True)
class ConnectionOptions:
    """How connections are made, for all who come through one door; see `Stream`."""

    rtc_configuration: ice.RtcConfigurationSource = None
    ports: MediaPorts = field(default_factory=MediaPorts)
    advertised_address: str | None = None
    may_check: MayCheck = allow_candidate
    audio: OptionsSource[AudioOptions] = None
    video: OptionsSource[VideoOptions] = None


class Answer(NamedTuple):
    """What a client is answered.

    Attributes:
        id: What it is called.
        sdp: The description of this side.
        secret: With it, further offers are the client's own; for its eyes alone.
        more: Further fields of the answer.
    """

    id: str
    sdp: str
    secret: str
    more: Mapping[str, Any] = MappingProxyType({})


class Acceptor:
    """Takes offers, and runs what each is for until it ends.

    Args:
        admit: Who asks, what does it ask for, and may it come in, as far as that is known before
            its SDP was read; raises `OfferError`.
        entering: Counts who is on the way in, by address.
        options: How connections are made.
        trickling: Takes candidates that come on their own; without it, nobody may send any.
    """

    def __init__(
        self,
        admit: Callable[[Envelope, Caller], Visit],
        entering: Entering,
        options: ConnectionOptions,
        trickling: Trickling | None = None,
    ) -> None:
        self._admit = admit
        self._entering = entering
        self._options = options
        self._trickling = trickling
        # The root tasks of all who are here. One that takes its connection apart is left alone.
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._standing = StandingClients[Visit]()
        # Answers to offers of those who come back, by what they have sent.
        self._returning: dict[tuple[object, ...], asyncio.Future[Answer]] = {}

    @property
    def serving(self) -> int:
        """How many are here, from their offer until their connection was taken apart."""
        return len(self._tasks)

    async def accept(self, envelope: Envelope, caller: Caller) -> Answer:
        """Take an offer; what it is for runs on when it was answered.

        One with the secret of a client that is here is a further offer of that client: it may
        restart ICE, where the data channel does not get through. One with a token to come back may
        be made as often as need be, until an answer gets through: it is the same one each time.

        Raises:
            OfferError: If it is refused.
        """
        if envelope.secret is not None:
            return await self._accept_again(envelope, envelope.secret)
        if not isinstance(envelope.resume, str):
            return await self._begin(envelope, caller)[0]
        key = asyncio.get_running_loop(), envelope.webrtc_id, envelope.resume, envelope.sdp
        if key not in self._returning:
            answer, task = self._begin(envelope, caller)
            self._returning[key] = answer
            task.add_done_callback(lambda _: self._returning.pop(key))
        return await asyncio.shield(self._returning[key])

    def _begin(
        self, envelope: Envelope, caller: Caller
    ) -> tuple[asyncio.Future[Answer], asyncio.Task[None]]:
        visit = self._admit(envelope, caller)  # a full server reads no SDP
        offer = read_offer(envelope.sdp)
        flows = visit.negotiate(offer)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        serving = self._serve(visit, offer, flows, caller, answer)
        task = asyncio.create_task(serving, name="fastrtc-session")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer, task

    async def aclose(self) -> None:
        """Cancel all who are here, and wait until they are gone; idempotent."""
        for task in self._tasks - self._leaving:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept_again(self, envelope: Envelope, secret: str) -> Answer:
        id = envelope.webrtc_id or ""
        visit = self._standing.find(id, secret)
        data = {"sdp": envelope.sdp, "tracks": envelope.tracks, "receives": envelope.receives}
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return Answer(id, await visit.answer_again(data), secret)
        except TimeoutError:
            raise UnavailableError("the server took too long to answer the offer") from None

    async def _serve(
        self,
        visit: Visit,
        offer: Offer,
        flows: Flows,
        caller: Caller,
        answer: asyncio.Future[Answer],
    ) -> None:
        """The life of one visit. What fails before the answer is raised where it is awaited."""
        try:
            async with visit.place():
                await self._connect_and_run(visit, offer, flows, caller, answer)
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

    async def _connect_and_run(
        self,
        visit: Visit,
        offer: Offer,
        flows: Flows,
        caller: Caller,
        answer: asyncio.Future[Answer],
    ) -> None:
        peer: Peer | None = None
        secret = new_secret()
        try:
            with self._entering.count(caller.address):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    party = await visit.enter(flows)
                    peer = await self._make_peer(party)
                    sdp = await self._answer(peer, visit, offer, party)
                if answer.cancelled():  # whoever asked is gone
                    visit.abandon()
                    return
                answer.set_result(Answer(visit.id, sdp, secret, visit.answered()))
                if not await _connected(peer, party.endpoint):
                    logger.info("%s was not connected", visit.id)
                    visit.abandon()
                    return
            standing = self._standing.add(visit.id, secret, visit)
            try:
                await visit.run(peer)
            finally:
                self._standing.remove(standing)
        except TimeoutError:
            raise UnavailableError("the server took too long to answer the offer") from None
        finally:
            if peer is not None:
                if self._trickling is not None:
                    self._trickling.end(visit.id, peer)
                await self._take_apart(peer)

    async def _make_peer(self, party: Party) -> Peer:
        options = self._options
        configuration = ice.for_aiortc(await ice.resolve(options.rtc_configuration))
        return Peer(
            party.endpoint,
            configuration,
            self._ports(configuration),
            await resolve(options.audio, AudioOptions, party.context),
            await resolve(options.video, VideoOptions, party.context),
            report=party.report,
            may_check=options.may_check,
            advertised_address=options.advertised_address,
        )

    def _ports(self, configuration: RTCConfiguration) -> MediaPorts:
        ports = self._options.ports
        if configuration.iceServers or configuration.iceTransportPolicy != _ANY_WAY:
            # What STUN and TURN servers are for is not done on shared ports.
            return MediaPorts(ports.own)
        return ports.on(asyncio.get_running_loop())

    async def _answer(self, peer: Peer, visit: Visit, offer: Offer, party: Party) -> str:
        try:
            answer = Description.parse(await peer.answer(offer.sdp))
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in EXHAUSTED:
                reason = (
                    f"there is no room for another socket ({reason}): allow this process more "
                    "open files (`ulimit -n`, or LimitNOFILE of systemd)"
                )
            logger.warning("an offer was refused: %s", reason)
            raise UnavailableError(reason) from None
        except OperationError:
            raise MalformedOfferError(
                "the offer has no codec in common with this server: it speaks Opus, VP8 and H.264"
            ) from None
        except Exception as error:
            # aiortc says in many ways that it cannot serve an offer (a section lacks something, or
            # contradicts another); none of them is more than a fault of the offer.
            logger.info("an offer was refused: %s", error, exc_info=error)
            raise MalformedOfferError(f"the offer cannot be answered: {error}") from None
        if self._trickling is not None:
            await self._trickling.begin(visit.id, peer, offer.ufrags)
        if party.stereo:
            force_stereo(answer)
        return str(answer)

    async def _take_apart(self, peer: Peer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._leaving.add(task)
        try:
            await peer.close()
        finally:
            self._leaving.discard(task)


async def _connected(peer: Peer, endpoint: Joining) -> bool:
    """Wait for the connection, or for its endpoint to be stopped before there is one."""

    async def give_up() -> None:
        await endpoint.stopped()
        peer.give_up()

    watching = asyncio.create_task(give_up())
    try:
        return await peer.connected() and not watching.done()
    finally:
        watching.cancel()  # it waits for an event alone; media come, and wait for nobody


def _refuse(answer: asyncio.Future[Answer], error: OfferError) -> None:
    if not answer.done():
        answer.set_exception(error)
