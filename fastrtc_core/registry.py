"""Who is connected: ids, one concurrency limit, and the end of everybody.

A slot is taken before anything is made for an offer and given back when everything of it is gone,
whatever happened in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from .errors import (
    ConcurrencyLimitError,
    DuplicateSessionError,
    MalformedOfferError,
    OfferError,
    QueueFullError,
    UnavailableError,
    UnknownSessionError,
)
from .session import CloseReason, OutputHub, Session, SessionSnapshot, SessionTotals

MAX_WAITERS = 256
"""How many may wait for an id that nobody has offered yet."""

ENTERING_PER_ADDRESS = 256
"""How many may be on the way in from one client address."""

_ID = re.compile(r"[\x21-\x7e]{1,128}")


def is_id(text: str) -> bool:
    """Whether a session can have this id: 1 to 128 visible ASCII characters."""
    return _ID.fullmatch(text) is not None


class Slot:
    """The place of one session, from its offer to its end.

    Attributes:
        session: The session once there is one.
        outputs: The additional outputs of that session, for whoever subscribes to them before.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self.session: Session | None = None
        self.outputs = OutputHub()
        self.task: asyncio.Task[object] | None = None
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self._stopped: CloseReason | None = None

    def attach(self, session: Session) -> None:
        """Name the session; one that was stopped in the meantime ends at once."""
        self.session = session
        session.outputs = self.outputs
        if self._stopped is not None:
            session.stop(self._stopped)

    def tell(self, type: str, data: Any) -> None:
        """Send its client a message, if there is a session; called on its event loop."""
        if self.session is not None:
            self.session.reporter.tell(type, data)

    def stop(self, reason: CloseReason) -> None:
        """End the session, or what is being made of it; called on its event loop."""
        self._stopped = reason
        if self.session is not None:
            self.session.stop(reason)


class Entering:
    """Counts who is on the way in, by address, so that no one address takes all room there.

    Args:
        limit: How many may be on the way in from one address; `None` for any number.
    """

    def __init__(self, limit: int | None = ENTERING_PER_ADDRESS) -> None:
        self.limit = limit
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._counts.total()

    @contextmanager
    def count(self, address: str | None) -> Iterator[None]:
        """Count somebody for as long as the context lasts; `None` is an address nobody knows.

        Raises:
            ConcurrencyLimitError: If there are too many from this address already.
        """
        network = network_of(address)
        with self._lock:
            if network and self.limit is not None and self._counts[network] >= self.limit:
                raise ConcurrencyLimitError(
                    "Too many connect at once from this address; try again in some seconds",
                    limit=self.limit,
                )
            self._counts[network] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[network] -= 1
                if not self._counts[network]:
                    del self._counts[network]


@dataclass(frozen=True)
class StreamSnapshot:
    """A stream at one moment; `dataclasses.asdict` makes JSON of it.

    Attributes:
        sessions: By id; those that are still connecting are in state `new`, or `None` before they
            were made.
        entering: Who is on the way in, before it has an id.
        awaiting: Callers that wait for the outputs of an id that nobody has offered yet.
        draining: Whether it takes no new sessions.
        totals: Counters since the stream was made.
    """

    sessions: dict[str, SessionSnapshot | None]
    entering: int
    awaiting: int
    draining: bool
    totals: SessionTotals


class Registry:
    """The sessions of one stream, over all of its transports.

    Args:
        concurrency_limit: How many there may be at once; `None` for any number.
        entering: Counts those that have no session yet.

    Attributes:
        hold: What is entered with the id of each slot for as long as that is taken; it may raise
            `OfferError`. Other processes learn by it which sessions live in this one.
        hint: What is added to the text of an error that says that there is no session.
    """

    def __init__(
        self, concurrency_limit: int | None = None, entering: Entering | None = None
    ) -> None:
        self.concurrency_limit = concurrency_limit
        self.entering = Entering() if entering is None else entering
        self.hold: Callable[[str], AbstractAsyncContextManager[None]] = _alone
        self.hint = ""
        self._slots: dict[str, Slot] = {}
        self._past = SessionTotals()
        self._draining = False
        self._awaited: dict[asyncio.Future[OutputHub], str] = {}
        # Slots may be taken on several event loops: a Gradio UI has one of its own.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._slots)

    def snapshot(self) -> StreamSnapshot:
        """What goes on now; safe from any thread."""
        with self._lock:
            sessions = {
                id: None if slot.session is None else slot.session.snapshot()
                for id, slot in self._slots.items()
            }
            totals = self._past.copy()
            for session in sessions.values():
                if session is not None:
                    totals.add(session)
            return StreamSnapshot(
                sessions=sessions,
                entering=len(self.entering),
                awaiting=len(self._awaited),
                draining=self._draining,
                totals=totals,
            )

    def closed_for(self) -> list[str]:
        """Why new sessions are refused now: `draining`, `full`, or nothing."""
        full = self.concurrency_limit is not None and len(self) >= self.concurrency_limit
        return ["draining"] * self._draining + ["full"] * full

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Count the refusal that is raised within the context, if any."""
        try:
            yield
        except OfferError as error:
            self.count_refusal(error)
            raise

    def count_refusal(self, error: OfferError) -> None:
        """Count a refused offer."""
        with self._lock:
            self._past.refuse(error.code)

    def __contains__(self, id: str) -> bool:
        return id in self._slots

    @asynccontextmanager
    async def slot(self, id: str | None = None) -> AsyncIterator[Slot]:
        """Take a slot for as long as the context lasts.

        Args:
            id: The id that the client wants; without one the registry issues one.

        Raises:
            MalformedOfferError: If the id is not 1 to 128 visible ASCII characters.
            DuplicateSessionError: If the id is taken.
            ConcurrencyLimitError: If all slots are taken.
            UnavailableError: If the stream is draining.
        """
        slot = self._take(id)
        try:
            async with self.hold(slot.id):
                yield slot
        finally:
            with self._lock:
                del self._slots[slot.id]
                if slot.session is not None:
                    self._past.end(slot.session.snapshot())
            slot.outputs.end()
            slot.ended.set()

    def session(self, id: str) -> Session:
        """The session with this id.

        Raises:
            UnknownSessionError: If there is none.
        """
        slot = self._slots.get(id)
        if slot is None or slot.session is None:
            raise self._unknown(id)
        return slot.session

    def running(self) -> list[Session]:
        """The sessions that there are now; of those that only connect, there is none yet."""
        with self._lock:
            return [slot.session for slot in self._slots.values() if slot.session is not None]

    def outputs(self, id: str) -> OutputHub:
        """The additional outputs of the session with this id, from the time its offer was taken.

        Raises:
            UnknownSessionError: If there is none.
        """
        slot = self._slots.get(id)
        if slot is None:
            raise self._unknown(id)
        return slot.outputs

    async def wait_for_outputs(self, id: str, timeout: float) -> OutputHub:
        """The same, for who is earlier than the offer.

        Raises:
            UnknownSessionError: If no offer with this id was taken within `timeout` s.
            QueueFullError: If too many wait.
        """
        if not is_id(id):
            raise UnknownSessionError(f"no session can have the id {id[:200]!r}")
        offered: asyncio.Future[OutputHub] = asyncio.get_running_loop().create_future()
        with self._lock:
            if id in self._slots:
                return self._slots[id].outputs
            if len(self._awaited) >= MAX_WAITERS:
                raise QueueFullError(f"{MAX_WAITERS} callers wait for a session already")
            self._awaited[offered] = id
        try:
            async with asyncio.timeout(timeout):
                return await offered
        except TimeoutError:
            raise UnknownSessionError(f"nobody has offered the id {id!r}") from None
        finally:
            with self._lock:
                del self._awaited[offered]

    def stop(self, id: str, reason: CloseReason) -> None:
        """End a session; safe from any thread.

        Raises:
            UnknownSessionError: If there is none with this id.
        """
        slot = self._slots.get(id)
        if slot is None:
            raise self._unknown(id)
        _stop(slot, reason)

    def resume(self) -> None:
        """Take sessions again after a drain."""
        self._draining = False

    async def drain(self, timeout: float | None = None, patience: float = 0.0) -> None:
        """Refuse new sessions, end those there are, and wait until they are gone.

        Args:
            timeout: Longest wait in s for those that were told to end.
            patience: How long in s sessions may go on before that. Their clients are told.

        Raises:
            TimeoutError: If some are still there after `timeout` s.
        """
        self._draining = True
        with self._lock:
            slots = list(self._slots.values())
        if patience > 0 and slots:
            for slot in slots:
                _call(slot, partial(slot.tell, "draining", {"seconds": patience}))
            await _wait_for_all(slots, patience)
        async with asyncio.timeout(timeout):
            for slot in slots:
                _stop(slot, CloseReason.DRAIN)
            for slot in slots:
                await _ended(slot)

    def check(self, id: str | None = None) -> None:
        """Raise what taking a slot with this id would raise now, before any work is done for it."""
        if id is not None and not is_id(id):
            raise MalformedOfferError("webrtc_id must be 1 to 128 visible ASCII characters")
        if self._draining:
            raise UnavailableError("the server is shutting down")
        if id in self._slots:
            raise DuplicateSessionError(f"the id {id!r} is taken")
        if self.concurrency_limit is not None and len(self) >= self.concurrency_limit:
            raise ConcurrencyLimitError(
                "the server is full; try again later",
                limit=self.concurrency_limit,
            )

    def _unknown(self, id: str) -> UnknownSessionError:
        return UnknownSessionError(f"no session has the id {id!r}{self.hint}")

    def _take(self, id: str | None) -> Slot:
        with self._lock:
            self.check(id)
            slot = Slot(id or secrets.token_urlsafe(16))
            self._slots[slot.id] = slot
            for offered, awaited in self._awaited.items():
                if awaited == slot.id and not offered.get_loop().is_closed():
                    offered.get_loop().call_soon_threadsafe(_announce, offered, slot.outputs)
            return slot


@asynccontextmanager
async def _alone(id: str) -> AsyncIterator[None]:
    """Hold an id where there are no other processes."""
    yield


def _announce(offered: asyncio.Future[OutputHub], outputs: OutputHub) -> None:
    if not offered.done():
        offered.set_result(outputs)


def network_of(address: str | None) -> str:
    """What one client has: an IPv4 address, or a /64 of IPv6 (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address((address or "").split("%")[0])
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _stop(slot: Slot, reason: CloseReason) -> None:
    _call(slot, partial(slot.stop, reason))


def _call(slot: Slot, what: Callable[[], object]) -> None:
    """Do something on the event loop of a slot, if that still runs."""
    if not slot.loop.is_closed():
        slot.loop.call_soon_threadsafe(what)


async def _wait_for_all(slots: list[Slot], timeout: float) -> None:
    """Wait until all have ended, or the time is over."""
    waiting = [asyncio.create_task(_ended(slot)) for slot in slots]
    try:
        await asyncio.wait(waiting, timeout=timeout)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _ended(slot: Slot) -> None:
    """Wait for the end of a slot, on whatever event loop it lives."""
    if slot.loop is asyncio.get_running_loop():
        await slot.ended.wait()
    elif not slot.loop.is_closed():
        ended = asyncio.run_coroutine_threadsafe(_wait(slot.ended), slot.loop)
        try:
            # A loop that is shut down cancels what waits on it; that does not cancel the drain.
            await asyncio.wait({asyncio.wrap_future(ended)})
        finally:
            ended.cancel()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
