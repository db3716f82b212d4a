"""An ICE agent without sockets, clocks or tasks (RFC 8445), for the side that listens.

It is given datagrams and the time, and asked what to send and when to be called again. It answers
as a *lite* agent, which reveals nothing and asks nobody, or as a *full* one, which checks the
candidates that the other side has named; towards a lite peer it is the controlling side.

Three rules make it safe to expose to anybody:

- What is not authenticated is dropped without an answer, so that nobody can have the server send
  anything to a third party, or learn that there is a session. RFC 8489 section 9.1.3 would have an
  error sent.
- The source of a datagram can be forged, also by a client that was let in. So a path that is in use
  is given up for another one only when that one has answered a check, which a lite agent sends in
  this one case.
- Whatever it keeps is bounded; of what is too much, something is dropped and counted.

Over TCP (RFC 6544) it is the passive side: connections are accepted, and none is begun. Each is a
path of its own, which has to pass a check like any other.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from . import stun
from .paths import (
    Base,
    Check,
    Credentials,
    Generation,
    MayCheck,
    PairState,
    Path,
    RemoteCandidate,
    check_priority,
)
from .stun import Address, Attribute, Class, StunMessage, TcpAddress

PACE = 0.05
"""Time in s between the first checks of two paths: Ta (RFC 8445 section 14.2)."""

RETRANSMIT_AFTER = 0.5
"""Time in s after which a check is sent again: RTO (RFC 8445 section 14.3); then it doubles."""

MAX_RETRANSMISSIONS = 3
"""How often a check is sent again; a path from which checks come is checked anew by these."""

RELIABLE_TIMEOUT = RETRANSMIT_AFTER * (2 ** (MAX_RETRANSMISSIONS + 1) - 1)
"""Time in s that a check over TCP may take, which is sent once alone (RFC 8489 section 6.2.2): as
long as one over UDP with all its retransmissions."""

MAX_PATHS = 64
"""Paths that are remembered in all; then the one that was silent for longest is forgotten."""

MAX_NAMED = 16
"""Candidates named by the other side that are checked; a browser names two to ten."""

MAX_ASKED_EACH = 3
"""Checks on one path from which nothing has come."""

MAX_ASKED = 32
"""Checks of this kind in all."""

MAX_ASKED_BYTES = 4096
"""Bytes of these: the other side chooses how long its user name is, which stands in each."""

MAX_WAITING = 256
"""Datagrams and events that wait to be fetched."""

CONSENT_INTERVAL = 5.0
"""Time in s between two checks of the selected path (RFC 7675 section 5.1)."""

CONSENT_TIMEOUT = 30.0
"""Time in s after the last sign of consent when the path is given up (RFC 7675 section 5.1)."""

FORGET_AFTER = 60.0
"""Silence in s after which a path that is not in use is forgotten."""

NOMINATE_AFTER = 0.3
"""How long in s the controlling side waits for a better path when it has one."""

_ROLE_CONFLICT = 487


class Transmit(NamedTuple):
    """A datagram to be sent from one of our sockets."""

    data: bytes
    local: Address
    destination: Address


@dataclass(frozen=True)
class Trusted:
    """What comes from an address may now be theirs; `proven` once a check was answered there."""

    address: Address
    proven: bool


@dataclass(frozen=True)
class Forgotten:
    """What comes from an address is no longer taken."""

    address: Address


@dataclass(frozen=True)
class Selected:
    """Data is now to go this way."""

    local: Address
    remote: Address


@dataclass(frozen=True)
class Expired:
    """The other side no longer consents to be sent anything."""


Event: TypeAlias = Trusted | Forgotten | Selected | Expired


class Agent:
    """One component of one stream, as BUNDLE and RTCP multiplexing leave it.

    After each call, fetch what is to be sent and what has happened (`poll_transmit`, `poll_event`),
    and ask when the next one is due (`next_timeout`).

    Args:
        credentials: Of this side.
        bases: Its sockets.
        lite: Whether it answers as a lite agent, which checks no candidate that was only named.
        may_check: Which candidates may be checked; `None` for all, as a client may.
        controlling: Which role it begins with; a lite agent is always controlled, but towards
            another lite one.
        claims: Where the transactions under way are noted, for agents that share a socket.
        randomness: So many random bytes.

    Attributes:
        trusted: The addresses from which data is taken, and whether a check was answered there.
        dropped: How many datagrams, candidates and checks were dropped, by reason.
        heard: Authenticated messages that have come.
        answers: How many of them were answers to checks.
    """

    def __init__(
        self,
        credentials: Credentials,
        bases: Sequence[Base],
        *,
        lite: bool = True,
        may_check: MayCheck | None = None,
        controlling: bool = False,
        claims: MutableMapping[bytes, Agent] | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.lite = lite
        self.controlling = controlling
        self.trusted: dict[Address, bool] = {}
        self.dropped: Counter[str] = Counter()
        self.heard = 0
        self.answers = 0
        self._bases = {base.address: base for base in bases}
        self._may_check = may_check
        self._claims = {} if claims is None else claims
        self._randomness = randomness
        self._tie_breaker = int.from_bytes(randomness(8))
        self._current = Generation(credentials)
        self._old: Generation | None = None
        self._checks: dict[bytes, Check] = {}
        self._selected: tuple[Generation, Path] | None = None
        self._consent_due = 0.0
        self._consented = 0.0
        self._next_start = 0.0
        self._expired = False
        self._transmits: deque[Transmit] = deque()
        self._events: deque[Event] = deque()

    # What it is asked

    @property
    def credentials(self) -> Credentials:
        """Those of this side, of the latest restart."""
        return self._current.local

    @property
    def ufrags(self) -> list[str]:
        """The user name fragments under which checks for it come."""
        return [generation.local.ufrag for generation in self._generations()]

    @property
    def selected(self) -> Path | None:
        """The way that data goes."""
        return None if self._selected is None else self._selected[1]

    def poll_transmit(self) -> Transmit | None:
        """What is to be sent next."""
        return self._transmits.popleft() if self._transmits else None

    def poll_event(self) -> Event | None:
        """What has happened next."""
        return self._events.popleft() if self._events else None

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, in s; `None` for never, as things are."""
        if self._expired:
            return None
        times = [check.due for check in self._checks.values()]
        if self._waiting() is not None:
            times.append(self._next_start)
        if self._selected is not None:
            times += [self._consent_due, self._consented + CONSENT_TIMEOUT]
        if (nominating := self._nomination_due()) is not None:
            times.append(nominating)
        in_use = self.selected
        times += [
            max(path.heard or 0.0, path.answered or 0.0) + FORGET_AFTER
            for generation in self._generations()
            for path in generation.paths.values()
            if path.trusted and path is not in_use
        ]
        return min(times, default=None)

    # What it is told by the signalling

    def set_remote(self, credentials: Credentials, *, lite: bool, now: float) -> None:
        """Take the credentials of the other side, and begin.

        Args:
            credentials: Theirs.
            lite: Whether it is a lite agent; then this one is full, and controls.
            now: The time in s.
        """
        self._current.remote = credentials
        if lite:
            self.lite, self.controlling = False, True
        for candidate in list(self._current.named.items()):
            self._pair(RemoteCandidate(*candidate))
        for path in self._current.paths.values():
            # Its checks may have come before we could check it.
            if path.heard is not None and (not self.lite or self._must_prove(path)):
                self._start(self._current, path, now)
        self.handle_timeout(now)

    def add_candidate(self, candidate: RemoteCandidate, now: float) -> None:
        """Take a candidate of the other side; a lite agent ignores it (RFC 8445 section 6.2)."""
        if self.lite and self._current.remote is not None:
            return
        host, port = candidate.address[:2]
        if candidate.address in self._current.named:
            return
        if len(self._current.named) >= MAX_NAMED or not (
            self._may_check is None or self._may_check(host, port)
        ):
            self.dropped["candidates"] += 1
            return
        self._current.named[candidate.address] = candidate.priority
        if self._current.remote is not None:
            self._pair(candidate)
            self.handle_timeout(now)

    def restart(self, credentials: Credentials) -> None:
        """Begin anew with other credentials (RFC 8445 section 9); `set_remote` is to follow.

        Data goes and comes the old way until a path of the new credentials was nominated.
        """
        if self._selected is not None and self._selected[0] is self._old:
            # Restarted again before the first restart came to an end: it has nothing to go on with.
            for path in list(self._current.paths.values()):
                self._forget(self._current, path)
        else:
            self._drop_old()
            self._old = self._current
        self._current = Generation(credentials)

    # What it is told by the network

    def receive_datagram(self, data: bytes, source: Address, local: Address, now: float) -> bool:
        """Take a datagram that may be STUN.

        Args:
            data: What came.
            source: Where it says that it came from.
            local: The address of the socket to which it came.
            now: The time in s.

        Returns:
            Whether it was authenticated, and so a sign of life.
        """
        base = self._bases.get(local)
        if base is None or self._expired:
            return False
        try:
            message = stun.parse(data)
        except stun.MalformedMessageError:
            return self._drop("malformed messages")
        return self.receive(message, source, local, now)

    def receive(self, message: StunMessage, source: Address, local: Address, now: float) -> bool:
        """Take a message that was parsed already; see `receive_datagram`."""
        base = self._bases.get(local)
        if base is None or self._expired:
            return False
        if message.method != stun.BINDING:
            return self._drop("messages of other methods")
        if message.message_class is Class.REQUEST:
            taken = self._take_request(message, source, base, now)
        elif message.message_class is Class.INDICATION:
            return False  # a keep-alive, which says nothing (RFC 8445 section 11)
        else:
            taken = self._take_answer(message, source, base, now)
        if taken:
            self.heard += 1
            self.handle_timeout(now)
        return taken

    def lose(self, address: TcpAddress) -> None:
        """A connection has ended: nothing comes from there any more.

        If it was selected, it stays so until another path takes its place, as one of UDP would that
        fell silent; but then whichever the other side nominates next does.
        """
        for generation in self._generations():
            for path in [path for path in generation.paths.values() if path.remote == address]:
                if path is self.selected:
                    path.wanted = path.flagged = path.lively = False
                else:
                    self._forget(generation, path)
        self._distrust(address)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self._expired:
            return
        for transaction, check in list(self._checks.items()):
            if check.due <= now and transaction in self._checks:
                self._send_again(transaction, check, now)
        path = self._waiting()
        if path is not None and self._next_start <= now:
            self._next_start = now + PACE
            self._start(self._current, path, now)
        self._nominate(now)
        self._look_after_consent(now)
        self._forget_silent(now)

    def probe(self, now: float) -> bool:
        """Ask the other side for a sign of life; whether there is a way to do so."""
        if self._selected is None or self._selected[0].remote is None:
            return False
        self._send_check(*self._selected, now, retransmissions=0)
        return True

    # Requests

    def _take_request(self, message: StunMessage, source: Address, base: Base, now: float) -> bool:
        generation = self._addressed(message)
        if generation is None or not message.has_integrity(generation.local.password.encode()):
            return self._drop("checks of strangers")
        if unknown := message.unknown():
            value = b"".join(type.to_bytes(2) for type in unknown[:16])
            return self._refuse(
                generation, message, source, base, 420, (Attribute.UNKNOWN_ATTRIBUTES, value)
            )
        priority = message.number(Attribute.PRIORITY, 4)
        if priority is None:
            return self._refuse(generation, message, source, base, 400)
        if self._conflicts(message):
            return self._refuse(generation, message, source, base, _ROLE_CONFLICT)
        mapped = stun.pack_address(source, message.transaction)
        self._answer(
            Class.RESPONSE,
            generation,
            message,
            source,
            base,
            [(Attribute.XOR_MAPPED_ADDRESS, mapped)],
        )
        self._note_heard(generation, message, source, base, priority, now)
        return True

    def _addressed(self, message: StunMessage) -> Generation | None:
        """The generation whose user names a request carries (RFC 8445 section 7.2.2)."""
        ours, _, theirs = (message.text(Attribute.USERNAME) or "").partition(":")
        for generation in self._generations():
            if generation.local.ufrag == ours and (
                generation.remote is None or generation.remote.ufrag == theirs
            ):
                return generation
        return None

    def _conflicts(self, message: StunMessage) -> bool:
        """Detect and repair role conflicts; whether the other side must (RFC 8445 §7.3.1.1)."""
        attribute = Attribute.ICE_CONTROLLING if self.controlling else Attribute.ICE_CONTROLLED
        theirs = message.number(attribute, 8)
        if theirs is None:
            return False
        if self.controlling:
            if self._tie_breaker >= theirs:
                return True
            self._take_role(controlling=False)
            return False
        if self.lite or self._tie_breaker < theirs:
            return True
        self._take_role(controlling=True)
        return False

    def _take_role(self, *, controlling: bool) -> None:
        self.controlling = controlling
        for generation in self._generations():
            for path in generation.paths.values():
                path.wanted = path.flagged = False

    def _note_heard(
        self,
        generation: Generation,
        message: StunMessage,
        source: Address,
        base: Base,
        priority: int,
        now: float,
    ) -> None:
        path = generation.paths.get((base.address, source))
        if path is None:  # a peer-reflexive candidate (RFC 8445 section 7.3.1.3)
            self._make_room(generation)
            named = generation.named.get(source, priority)
            path = generation.paths[base.address, source] = Path(base, source, named)
        first = path.heard is None
        path.heard = now
        path.lively = True
        self._trust(source, proven=path.answered is not None)
        if self.lite and path is self.selected:
            self._consented = now
        if not self.controlling:
            path.flagged = Attribute.USE_CANDIDATE in message.attributes
            path.wanted = path.wanted or path.flagged
        if path.answered is None and (not self.lite or self._must_prove(path)):
            self._trigger(generation, path, first, now)
        if path.flagged:
            self._consider(generation, path, now)

    def _must_prove(self, path: Path) -> bool:
        """Whether a lite agent asks for an answer before it sends data another way."""
        return path.flagged and self._selected is not None and path is not self.selected

    def challenge(self, address: Address, now: float) -> None:
        """Check an address that is trusted: somebody else says that it is theirs."""
        for generation in self._generations():
            for path in generation.paths.values():
                if path.remote == address and path.heard is not None and path.answered is None:
                    self._trigger(generation, path, False, now)

    def _trigger(self, generation: Generation, path: Path, first: bool, now: float) -> None:
        """A triggered check (RFC 8445 section 7.3.1.4)."""
        if generation.remote is None:
            return
        check = next((check for check in self._checks.values() if check.path is path), None)
        if check is None:
            self._start(generation, path, now)
        elif first or (now - check.sent >= PACE and check.left > 0):
            # What was sent before the other side was ready is lost, or is not; begin anew.
            check.left -= 0 if first else 1
            self._transmit(check.request, path)
            check.sent, check.due = now, now + check.timeout

    # Nomination

    def _consider(self, generation: Generation, path: Path, now: float) -> None:
        """Select a path that the controlling side has nominated, if that is due.

        Where it nominates several (RFC 5245 section 8.1.1.2, "aggressive"), the best one counts;
        but one that it nominates no longer, or that is silent, is given up for any that answers.
        """
        if self._selected is None:
            # Lite agents have no proof to wait for (RFC 8445 section 7.3.2); the handshake of DTLS
            # is one, and until it is done next to nothing is sent.
            if path.answered is not None or self.lite:
                self._select(generation, path, now)
            return
        selected_in, selected = self._selected
        if path is selected or path.answered is None:
            return
        if selected_in is not generation:
            if generation is self._current:  # and no late check for what was restarted
                self._select(generation, path, now)
        elif path.flagged and (
            path.priority(False) >= selected.priority(False)
            or not selected.flagged
            or not selected.lively
        ):
            self._select(generation, path, now)
        else:
            selected.lively = False

    def _nomination_due(self) -> float | None:
        """When the controlling side nominates the best path that has answered, in s.

        At once (0) if none is left that could be better; `None` while it has none, or has done so.
        """
        generation = self._current
        if (
            not self.controlling
            or (self._selected is not None and self._selected[0] is generation)
            or any(check.nominating for check in self._checks.values())
        ):
            return None
        best = self._best(generation)
        if best is None or generation.first_answer is None:
            return None
        better = any(
            path.state in (PairState.WAITING, PairState.CHECKING)
            and path.priority(True) > best.priority(True)
            for path in generation.paths.values()
        )
        return generation.first_answer + NOMINATE_AFTER if better else 0.0

    def _nominate(self, now: float) -> None:
        """Nominate it (RFC 8445 section 8.1.1)."""
        due, best = self._nomination_due(), self._best(self._current)
        if due is not None and due <= now and best is not None:
            self._send_check(self._current, best, now, nominating=True)

    @staticmethod
    def _best(generation: Generation) -> Path | None:
        answered = [path for path in generation.paths.values() if path.state is PairState.SUCCEEDED]
        return max(answered, key=lambda path: path.priority(True), default=None)

    def _select(self, generation: Generation, path: Path, now: float) -> None:
        self._selected = generation, path
        path.lively = True
        self._consented = now
        self._consent_due = now + self._consent_interval()
        self._emit(Selected(path.base.address, path.remote))
        if generation is self._current:
            self._drop_old()

    # Checks

    def _pair(self, candidate: RemoteCandidate) -> None:
        """Form a path from each of our sockets of the same IP version (RFC 8445 §6.1.2.2)."""
        if self.lite:
            return
        host = candidate.address[0]
        for base in self._bases.values():
            key = base.address, candidate.address
            if base.passive or (":" in base.address[0]) != (":" in host):
                continue
            if (known := self._current.paths.get(key)) is not None:
                known.remote_priority = candidate.priority
            elif len(self._current.paths) < MAX_PATHS:
                self._current.paths[key] = Path(base, candidate.address, candidate.priority)
            else:
                self.dropped["candidates"] += 1

    def _waiting(self) -> Path | None:
        """The path that is to be checked next."""
        if self._current.remote is None or (
            self._selected is not None and self._selected[0] is self._current
        ):
            return None
        waiting = [path for path in self._current.paths.values() if path.state is PairState.WAITING]
        return max(waiting, key=lambda path: path.priority(self.controlling), default=None)

    def _start(self, generation: Generation, path: Path, now: float) -> None:
        path.state = PairState.CHECKING
        if not self._send_check(generation, path, now):
            path.state = PairState.FAILED

    def _send_check(
        self,
        generation: Generation,
        path: Path,
        now: float,
        *,
        nominating: bool = False,
        retransmissions: int = MAX_RETRANSMISSIONS,
    ) -> bool:
        assert generation.remote is not None
        transaction = self._randomness(12)
        role = Attribute.ICE_CONTROLLING if self.controlling else Attribute.ICE_CONTROLLED
        username = f"{generation.remote.ufrag}:{generation.local.ufrag}"
        attributes = [
            (Attribute.USERNAME, username.encode()),
            (Attribute.PRIORITY, check_priority(path.base).to_bytes(4)),
            (role, self._tie_breaker.to_bytes(8)),
        ]
        if nominating:
            attributes.append((Attribute.USE_CANDIDATE, b""))
        key = generation.remote.password.encode()
        request = stun.build(Class.REQUEST, transaction, attributes, key)
        if not self._may_ask(generation, path, len(request)):
            return False
        self._transmit(request, path)
        timeout = RELIABLE_TIMEOUT if path.base.passive else RETRANSMIT_AFTER
        self._checks[transaction] = Check(
            path,
            generation,
            request,
            self.controlling,
            nominating,
            now,
            now + timeout,
            timeout,
            0 if path.base.passive else retransmissions,
        )
        self._claims[transaction] = self
        return True

    def _send_again(self, transaction: bytes, check: Check, now: float) -> None:
        path = check.path
        if check.left > 0 and self._may_ask(check.generation, path, len(check.request)):
            check.left -= 1
            check.timeout *= 2
            check.sent, check.due = now, now + check.timeout
            self._transmit(check.request, path)
            return
        self._end(transaction)
        if path.state is PairState.CHECKING or check.nominating:
            path.state = PairState.FAILED

    def _may_ask(self, generation: Generation, path: Path, size: int) -> bool:
        """Whether another check may go to an address; as often as need be where one came from."""
        if path.trusted or self._may_check is None:
            return True
        if (
            path.asked >= MAX_ASKED_EACH
            or generation.asked >= MAX_ASKED
            or generation.asked_bytes + size > MAX_ASKED_BYTES
        ):
            return self._drop("checks")
        path.asked += 1
        generation.asked += 1
        generation.asked_bytes += size
        return True

    def _end(self, transaction: bytes) -> None:
        del self._checks[transaction]
        self._claims.pop(transaction, None)

    # Answers

    def _take_answer(self, message: StunMessage, source: Address, base: Base, now: float) -> bool:
        check = self._checks.get(message.transaction)
        if check is None:
            return self._drop("answers that nobody waits for")
        generation, path = check.generation, check.path
        assert generation.remote is not None
        if not message.has_integrity(generation.remote.password.encode()):
            return self._drop("answers of strangers")
        if message.message_class is Class.RESPONSE and message.unknown():
            return self._drop("answers that cannot be understood")
        self._end(message.transaction)
        if (path.base.address, path.remote) != (base.address, source):
            # Not the way that it went (RFC 8445 section 7.2.5.2.1).
            if path.state is PairState.CHECKING:
                path.state = PairState.FAILED
            return self._drop("answers from elsewhere")
        if message.message_class is Class.ERROR:
            self._take_error(message, check, now)
        else:
            self._take_success(check, now)
        return True

    def _take_error(self, message: StunMessage, check: Check, now: float) -> None:
        path = check.path
        if message.error_code() == _ROLE_CONFLICT and not self.lite:
            if check.controlling == self.controlling:
                self._take_role(controlling=not self.controlling)
            self._start(check.generation, path, now)
        elif message.error_code() == 403 and path is self.selected:
            self._expire()  # consent is withdrawn (RFC 7675 section 5.2)
        elif path.answered is None or check.nominating:
            path.state = PairState.FAILED

    def _take_success(self, check: Check, now: float) -> None:
        generation, path = check.generation, check.path
        self.answers += 1
        path.answered = now
        path.state = PairState.SUCCEEDED
        if generation.first_answer is None:
            generation.first_answer = now
        self._trust(path.remote, proven=True)
        if path is self.selected:
            self._consented = now
        if check.nominating and self.controlling:
            if self._selected is None or self._selected[0] is not generation:
                self._select(generation, path, now)
        elif path.wanted and not self.controlling:
            self._consider(generation, path, now)

    # Consent, and what is no longer needed

    def _look_after_consent(self, now: float) -> None:
        if self._selected is None:
            return
        if now >= self._consented + CONSENT_TIMEOUT:
            self._expire()
            return
        if now < self._consent_due:
            return
        generation, path = self._selected
        self._consent_due = now + self._consent_interval()
        # What a lite agent hears is its consent; it need not ask one who asks it.
        quiet = path.heard is None or now - path.heard >= CONSENT_INTERVAL
        if generation.remote is not None and (quiet or not self.lite):
            self._send_check(generation, path, now, retransmissions=0)

    def _consent_interval(self) -> float:
        """Drawn from 0.8 to 1.2 times the interval (RFC 7675 section 5.1)."""
        return CONSENT_INTERVAL * (0.8 + 0.4 * self._randomness(1)[0] / 255)

    def _expire(self) -> None:
        self.close()
        self._emit(Expired())

    def close(self) -> None:
        """Take and send nothing any more; idempotent."""
        self._expired = True
        self._selected = None
        for transaction in list(self._checks):
            self._end(transaction)
        self._transmits.clear()
        for address in list(self.trusted):
            self._distrust(address)

    def _make_room(self, generation: Generation) -> None:
        """Forget the path that was silent for longest, where there are too many."""
        while len(generation.paths) >= MAX_PATHS:
            self.dropped["paths"] += 1
            self._forget(
                generation,
                min(
                    (path for path in generation.paths.values() if path is not self.selected),
                    key=lambda path: max(path.heard or 0.0, path.answered or 0.0),
                ),
            )

    def _forget_silent(self, now: float) -> None:
        for generation in self._generations():
            silent = [
                path
                for path in generation.paths.values()
                if path.trusted
                and path is not self.selected
                and max(path.heard or 0.0, path.answered or 0.0) + FORGET_AFTER <= now
            ]
            for path in silent:
                self._forget(generation, path)

    def _forget(self, generation: Generation, path: Path) -> None:
        del generation.paths[path.base.address, path.remote]
        for transaction in [t for t, check in self._checks.items() if check.path is path]:
            self._end(transaction)
        if not any(
            other.trusted and other.remote == path.remote
            for other_generation in self._generations()
            for other in other_generation.paths.values()
        ):
            self._distrust(path.remote)

    def _drop_old(self) -> None:
        if self._old is not None:
            for path in list(self._old.paths.values()):
                self._forget(self._old, path)
            self._old = None

    # Small change

    def _generations(self) -> Iterator[Generation]:
        yield self._current
        if self._old is not None:
            yield self._old

    def _trust(self, address: Address, *, proven: bool) -> None:
        proven = proven or self.trusted.get(address, False)
        if self.trusted.get(address) is not proven:
            self.trusted[address] = proven
            self._emit(Trusted(address, proven))

    def _distrust(self, address: Address) -> None:
        if address in self.trusted:
            del self.trusted[address]
            self._emit(Forgotten(address))

    def _answer(
        self,
        message_class: Class,
        generation: Generation,
        request: StunMessage,
        source: Address,
        base: Base,
        attributes: list[tuple[Attribute, bytes]],
    ) -> None:
        key = generation.local.password.encode()
        answer = stun.build(message_class, request.transaction, attributes, key)
        self._queue(Transmit(answer, base.address, source))

    def _refuse(
        self,
        generation: Generation,
        request: StunMessage,
        source: Address,
        base: Base,
        code: int,
        *more: tuple[Attribute, bytes],
    ) -> bool:
        error = Attribute.ERROR_CODE, stun.error_value(code, _REASONS[code])
        self._answer(Class.ERROR, generation, request, source, base, [error, *more])
        return self._drop("checks that were refused")

    def _transmit(self, data: bytes, path: Path) -> None:
        self._queue(Transmit(data, path.base.address, path.remote))

    def _queue(self, transmit: Transmit) -> None:
        if len(self._transmits) < MAX_WAITING:
            self._transmits.append(transmit)
        else:
            self.dropped["transmissions"] += 1

    def _emit(self, event: Event) -> None:
        self._events.append(event)

    def _drop(self, what: str) -> bool:
        self.dropped[what] += 1
        return False


_REASONS = {400: "Bad Request", 420: "Unknown Attribute", _ROLE_CONFLICT: "Role Conflict"}
