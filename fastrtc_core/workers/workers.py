"""`Workers`: what clients send of a session that lives in another process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from ..context import Caller
from ..errors import (
    BusError,
    DuplicateSessionError,
    QueueFullError,
    SessionGoneError,
    UnavailableError,
    UnknownSessionError,
)
from ..registry import MAX_WAITERS, Registry, is_id
from ..signaling.bodies import TrickledCandidate, parse_envelope
from ..signaling.resources import Asked, Reply, Take, problem
from ..signaling.trickling import Trickling
from .relay import Relay

if TYPE_CHECKING:
    from ..cluster.bus import Bus

logger = logging.getLogger(__name__)

LONGEST_CLAIM = 7 * 86400.0
"""Time in s after which the id of a process that was killed is free without a look at it."""

MAX_DEAD = 16
"""How many processes that held an id may have been killed within that time."""

TakeOffer = Callable[[Any, Caller], Awaitable[dict[str, Any]]]


class Workers:
    """This process and the others that serve one stream.

    Args:
        bus: What they share.
        registry: The sessions that live here.
        trickling: Candidates for them, and those that came before their offers.
        take_offer: Serves the body of an offer or candidate here; raises `OfferError`.

    Attributes:
        relay: Reaches the others.
    """

    def __init__(
        self, bus: Bus, registry: Registry, trickling: Trickling, take_offer: TakeOffer
    ) -> None:
        self._registry = registry
        self._trickling = trickling
        self._take_offer = take_offer
        self._waiting: dict[asyncio.Future[None], str] = {}
        self.relay = Relay(bus, self._note_held)
        self._takers: list[Take] = []
        self.relay.answer("offer", self._take_relayed)
        self.relay.answer("whip", self._take_at_url)
        registry.hold = self._hold
        registry.hint = " in this process; stream.anywhere reaches those of others"

    def joined(self, lifespan: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        """Wrap the lifespan of an app so that this process is among the others while it runs."""

        @asynccontextmanager
        async def joining(app: Any) -> AsyncIterator[Any]:
            if self.relay.runs:  # mounted twice
                async with lifespan(app) as state:
                    yield state
                return
            async with self.relay.running(f"stream{name}"), lifespan(app) as state:
                yield state

        return joining

    # What clients send

    async def take_offer(self, body: Any, caller: Caller) -> dict[str, Any]:
        """Serve an offer or a candidate, here or where its session lives.

        Raises:
            OfferError: If it is refused.
        """
        request = parse_envelope(body)
        id = request.webrtc_id or ""
        if isinstance(request, TrickledCandidate):
            # Its offer may still come, to this process or to another one.
            taken = await self._take_offer(body, caller)
            if not self.is_elsewhere(id):
                return taken
        elif not self.is_elsewhere(id) or not (
            request.secret is not None or isinstance(request.resume, str)
        ):
            return await self._take_offer(body, caller)
        try:
            asked = {"body": body, "address": caller.address}
            answer: dict[str, Any] = await self._ask(id, "offer", asked)
        except UnknownSessionError:
            if isinstance(request, TrickledCandidate):
                return taken
            raise SessionGoneError("the session has ended: make a new connection") from None
        if isinstance(request, TrickledCandidate):
            self._trickling.forget(request)
        return answer

    def relayed(self, take: Take) -> Take:
        """Have requests to the URL of a session served here or where the session lives.

        Args:
            take: Serves those of sessions that live here. What is returned raises `OfferError` if
                the process with the session cannot be asked.
        """
        self._takers.append(take)

        async def taken(asked: Asked) -> Reply:
            if self.is_elsewhere(asked.id):
                try:
                    return Reply(*await self._ask(asked.id, "whip", asked))
                except UnknownSessionError:
                    pass  # as any URL that there is not
            return await take(asked)

        return taken

    async def _take_at_url(self, id: str, data: Any) -> Reply:
        reply = problem(SessionGoneError("the session has ended"))
        for take in self._takers:  # of each mount
            reply = await take(Asked(*data))
            if reply.status != SessionGoneError.http_status:
                break
        return reply

    def is_elsewhere(self, id: str) -> bool:
        """Whether a session with this id, if there is one, lives in another process."""
        return is_id(id) and id not in self._registry and self.relay.here

    async def _ask(self, id: str, kind: str, data: Any) -> Any:
        try:
            return await self.relay.call(id, kind, data)
        except (BusError, QueueFullError) as error:
            logger.warning("What a client sent of session %s could not be handed on: %s", id, error)
            raise UnavailableError(
                "the process that has the session cannot be reached now; try again"
            ) from None

    async def _take_relayed(self, id: str, asked: Any) -> dict[str, Any]:
        return await self._take_offer(asked["body"], Caller({}, asked["address"]))

    # Which ids there are

    @asynccontextmanager
    async def _hold(self, id: str) -> AsyncIterator[None]:
        """Hold an id in this process alone, for as long as the context lasts.

        While the others cannot be asked, an id counts as free that is free here.
        """
        if not self.relay.here:  # on an event loop of its own, as that of a Gradio UI
            yield
            return
        claim = await self._claimed(id)
        try:
            try:
                await self.relay.hold(id)
            except BusError as error:
                logger.warning("Other processes do not find session %s: %s", id, error)
            self._note_held(id)
            yield
        finally:
            try:
                await self.relay.let_go(id)
            finally:
                if claim is not None:
                    await self.relay.release(claim)

    async def _claimed(self, id: str) -> str | None:
        """The claim that was made for an id; `None` if none can be made now.

        Raises:
            DuplicateSessionError: If another process has a session with this id.
        """
        try:
            for life in range(MAX_DEAD):
                claim = f"claim/{id}/{life}"
                if await self.relay.claim(claim, LONGEST_CLAIM):
                    return claim
                if await self.relay.is_held(id):
                    raise DuplicateSessionError(f"the id {id!r} is taken")
                # Its process was killed; whoever comes at the same time asks for the next one, too.
        except BusError as error:
            logger.warning("Whether the id %s is taken elsewhere cannot be said: %s", id, error)
        return None

    @contextmanager
    def awaiting(self, id: str) -> Iterator[asyncio.Future[None]]:
        """A future that is done when some process begins to hold an id.

        Raises:
            QueueFullError: If too many wait.
        """
        if len(self._waiting) >= MAX_WAITERS:
            raise QueueFullError(f"{MAX_WAITERS} callers wait for a session already")
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[held] = id
        try:
            yield held
        finally:
            del self._waiting[held]

    def _note_held(self, id: str) -> None:
        for held, awaited in self._waiting.items():
            if awaited == id and not held.done():
                held.set_result(None)
        if id in self._registry:
            return
        for body in self._trickling.early_bodies(id):
            self.relay.spawn(self._send_on(id, body))

    async def _send_on(self, id: str, body: Any) -> None:
        """Hand on a candidate that came here before its offer came to another process."""
        try:
            await self.relay.call(id, "offer", {"body": body, "address": None})
        except Exception as error:
            logger.info("A candidate of session %s was not taken: %s", id, error)
