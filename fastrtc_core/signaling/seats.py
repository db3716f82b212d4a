"""A client's place in its session, which is kept for it while it is away.

    connected ── its connection is lost ─────► away ── `timeout` s ──► the session ends
        ▲    ── it comes with its token ──►     │
        └──────── another connection ───────────┘

Each connection has a token of its own, with which the client comes back. It is used up when the
next connection stands, so that an answer that got lost costs nothing: the same offer is made again.
"""

from __future__ import annotations

import asyncio

from ..errors import DuplicateSessionError, SessionGoneError
from ..session import CloseReason, Session
from ..session.life import SessionState
from ..tracks import LocalAudioTrack, LocalVideoTrack, TrackSource
from ..tracks.signal import Signal
from ..webrtc.attachment import Attachment
from ..webrtc.flows import Flows
from ..webrtc.peer import Peer
from .standing import Standing, StandingClients, new_secret

MOVED = "resumed"
"""What a page is told whose session goes on over another connection, of another page perhaps."""


class Seat:
    """The place of one client.

    Args:
        session: Its session.
        timeout: How long in s it may be away.
        seats: Where it is found by its token, once a connection stood.

    Attributes:
        session, timeout: As above.
        offered: The token of the latest connection that was made, which counts once that stands.
        published: What the server published on the connection before, for the next one.
    """

    def __init__(self, session: Session, timeout: float, seats: StandingClients[Seat]) -> None:
        self.session = session
        self.timeout = timeout
        self.offered = ""
        self.published: list[tuple[LocalAudioTrack | LocalVideoTrack, TrackSource]] = []
        session.arrived = self.arrived
        self._seats = seats
        self._known: Standing[Seat] | None = None
        self._loop = asyncio.get_running_loop()
        self._carrier: Attachment | None = None
        self._peer: Peer | None = None
        self._changed = Signal()
        self._before: Attachment | None = None
        self._coming: Attachment | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._guests = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def expect(self, flows: Flows) -> Attachment:
        """A connection is going to be made; one that is on its way gives way to it.

        The one that stands is given up: its client says that it has another one. `settled` waits
        until nothing flows over it any more.

        Raises:
            SessionGoneError: If the session has ended, or has waited long enough.
        """
        if self.session.close_reason is not None or self._is_late:
            raise SessionGoneError("the session has ended: make a new connection")
        if self._coming is not None:
            self._coming.end()
        if self._carrier is not None:
            self._leave(MOVED)
        self.offered = new_secret()
        self._coming = Attachment(self.session, flows, self._note_loss)
        return self._coming

    async def arrived(self) -> None:
        """Wait until what was sent before has certainly arrived; while the client is away, too."""
        while True:
            while self._peer is None:
                await self._changed.wait()
            peer = self._peer
            heard = asyncio.ensure_future(peer.heard_again())
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({heard, changed}, return_when=asyncio.FIRST_COMPLETED)
                if heard.done() and peer is self._peer:
                    return
            finally:
                heard.cancel()
                changed.cancel()

    async def settled(self) -> None:
        """Wait until nothing flows over the connection before."""
        if self._before is not None:
            await self._before.detached.wait()

    def check(self, attachment: Attachment) -> None:
        """Refuse to go on with a connection that gave way to another one.

        Raises:
            DuplicateSessionError: If it did.
            SessionGoneError: If the session has ended.
        """
        if self.session.close_reason is not None:
            raise SessionGoneError("the session has ended: make a new connection")
        if attachment.over:
            raise DuplicateSessionError("a later offer with the same token took its place")

    def take(self, attachment: Attachment, peer: Peer) -> bool:
        """A connection stands: the client is there. Returns whether it is still wanted."""
        if attachment.over or self.session.close_reason is not None:
            return False
        self._carrier, self._coming, self._peer = attachment, None, peer
        self._changed.notify()
        self._stop_waiting()
        self._forget()
        self._known = self._seats.add(self.session.id, self.offered, self)
        if self.session.state is SessionState.PAUSED:
            self.session.resume()
        return True

    def give_up(self, attachment: Attachment) -> None:
        """A connection could not be made."""
        attachment.end()
        if attachment is self._coming:
            self._coming = None
            if self._is_late:
                self.session.stop(CloseReason.LOST)

    def close(self) -> None:
        """The session is over."""
        self._forget()
        self._stop_waiting()
        for attachment in (self._carrier, self._coming):
            if attachment is not None:
                attachment.end()
        self._carrier = self._coming = None

    # Who makes connections for it

    def __enter__(self) -> None:
        self._guests += 1
        self._empty.clear()

    def __exit__(self, *exc_info: object) -> None:
        self._guests -= 1
        if not self._guests:
            self._empty.set()

    async def empty(self) -> None:
        """Wait until all that was made for it is taken apart."""
        await self._empty.wait()

    def _note_loss(self, attachment: Attachment, reason: CloseReason) -> None:
        if attachment is self._coming:
            if self._before is None:  # it was never there
                self.session.stop(reason)
            attachment.end()
        elif self.session.state is SessionState.RUNNING:
            self._leave()
        else:
            self.session.stop(reason)

    def _leave(self, farewell: str = "") -> None:
        """The client is away, from now on."""
        assert self._carrier is not None
        self._before, self._carrier, self._peer = self._carrier, None, None
        self._changed.notify()
        self._before.end(farewell)
        self.session.pause()
        self._deadline = self._loop.time() + self.timeout
        self._timer = self._loop.call_at(self._deadline, self._expire)

    def _expire(self) -> None:
        if self._coming is None:  # else it has its chance
            self.session.stop(CloseReason.LOST)

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and self._loop.time() >= self._deadline

    def _stop_waiting(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget(self) -> None:
        if self._known is not None:
            self._seats.remove(self._known)
            self._known = None
