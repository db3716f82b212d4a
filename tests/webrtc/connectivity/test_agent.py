"""The ICE agent by itself: two of them over a bad network, and one against a slow model."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastrtc_core.webrtc.connectivity import agent as agents
from fastrtc_core.webrtc.connectivity import stun
from fastrtc_core.webrtc.connectivity.agent import (
    Agent,
    Event,
    Expired,
    Forgotten,
    Selected,
    Transmit,
    Trusted,
)
from fastrtc_core.webrtc.connectivity.paths import (
    Base,
    Credentials,
    RemoteCandidate,
    host_priority,
)
from fastrtc_core.webrtc.connectivity.stun import Address, Attribute, Class

from ...examples import tries

SERVER = Credentials("srvr", "password-of-the-server-0")
CLIENT = Credentials("clnt", "password-of-the-client-0")
SERVER_BASES = [
    Base(("192.0.2.1", 40000), host_priority(0)),
    Base(("2001:db8::1", 40000), host_priority(1)),
]
CLIENT_BASES = [
    Base(("198.51.100.1", 50000), host_priority(0)),
    Base(("2001:db8::2", 50000), host_priority(1)),
    Base(("203.0.113.9", 50001), host_priority(2)),
]
HOME = SERVER_BASES[0].address
AWAY = CLIENT_BASES[0].address


@dataclass
class Side:
    """An agent, and what came of it."""

    agent: Agent
    events: list[Event] = field(default_factory=list)
    sent: list[Transmit] = field(default_factory=list)

    def fetch(self) -> list[Transmit]:
        """What it wants sent now."""
        while (event := self.agent.poll_event()) is not None:
            self.events.append(event)
        fresh = []
        while (transmit := self.agent.poll_transmit()) is not None:
            fresh.append(transmit)
        self.sent += fresh
        return fresh

    @property
    def way(self) -> tuple[Address, Address] | None:
        """The addresses between which it sends."""
        path = self.agent.selected
        return None if path is None else (path.base.address, path.remote)


class Network:
    """Carries datagrams between two sides on virtual time, and does with them what it is told.

    Args:
        sides: Both of them.
        treat: After which delays in s copies of a datagram arrive; none for one that is lost.
    """

    def __init__(
        self,
        sides: Sequence[Side],
        treat: Callable[[Transmit], Sequence[float]] = lambda _: (0.02,),
    ) -> None:
        self.now = 0.0
        self.sides = sides
        self.treat = treat
        self._queue: list[tuple[float, int, Transmit]] = []
        self._count = itertools.count()

    def run(self, until: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until then, or until a condition holds."""
        turns = itertools.count()
        while not done():
            assert next(turns) < 100_000, "time stands still"
            for side in self.sides:
                for transmit in side.fetch():
                    for delay in self.treat(transmit):
                        entry = self.now + delay, next(self._count), transmit
                        heapq.heappush(self._queue, entry)
            times = [side.agent.next_timeout() for side in self.sides]
            due = min([t for t in times if t is not None], default=until)
            due = min(due, self._queue[0][0] if self._queue else until)
            if due > until:
                break
            self.now = max(self.now, due)
            while self._queue and self._queue[0][0] <= self.now:
                _, _, transmit = heapq.heappop(self._queue)
                for side in self.sides:
                    # Each agent knows its own sockets, and ignores what came to others.
                    side.agent.receive_datagram(
                        transmit.data, transmit.local, transmit.destination, self.now
                    )
            for side in self.sides:
                side.agent.handle_timeout(self.now)
            if due >= until and not self._queue:
                break
        self.now = max(self.now, until) if not done() else self.now


def make_agent(
    credentials: Credentials, bases: Sequence[Base], seed: int = 0, **options: object
) -> Side:
    """An agent whose dice are known."""
    dice = random.Random(f"{credentials}{seed}")
    return Side(Agent(credentials, bases, randomness=dice.randbytes, **options))  # type: ignore[arg-type]


def make_pair(*, lite: bool = True, seed: int = 0) -> tuple[Side, Side]:
    """A server that has answered, and a client that takes the answer."""
    server = make_agent(SERVER, SERVER_BASES, seed, lite=lite, may_check=lambda host, port: True)
    client = make_agent(CLIENT, CLIENT_BASES, seed, lite=False, controlling=True)
    server.agent.set_remote(CLIENT, lite=False, now=0.0)
    client.agent.set_remote(SERVER, lite=False, now=0.0)
    for base in CLIENT_BASES:
        server.agent.add_candidate(RemoteCandidate(*base), 0.0)
    for base in SERVER_BASES:
        client.agent.add_candidate(RemoteCandidate(*base), 0.0)
    return server, client


def request(
    *,
    ours: Credentials = SERVER,
    theirs: Credentials = CLIENT,
    nominate: bool = False,
    number: int = 0,
    key: str | None = None,
    role: Attribute = Attribute.ICE_CONTROLLING,
    tie_breaker: int = 7,
    more: Sequence[tuple[Attribute, bytes]] = (),
    priority: bytes | None = (1 << 20).to_bytes(4),
) -> bytes:
    """A check of a client."""
    attributes = [
        (Attribute.USERNAME, f"{ours.ufrag}:{theirs.ufrag}".encode()),
        (role, tie_breaker.to_bytes(8)),
        *more,
    ]
    if priority is not None:
        attributes.append((Attribute.PRIORITY, priority))
    if nominate:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    secret = (ours.password if key is None else key).encode()
    return stun.build(Class.REQUEST, number.to_bytes(12), attributes, secret)


def answer_to(transmit: Transmit, key: str = CLIENT.password, code: int | None = None) -> bytes:
    """The answer of a client to a check of the agent."""
    asked = stun.parse(transmit.data)
    assert asked.message_class is Class.REQUEST
    if code is not None:
        error = [(Attribute.ERROR_CODE, stun.error_value(code, "Error"))]
        return stun.build(Class.ERROR, asked.transaction, error, key.encode())
    mapped = stun.pack_address(transmit.local, asked.transaction)
    attributes = [(Attribute.XOR_MAPPED_ADDRESS, mapped)]
    return stun.build(Class.RESPONSE, asked.transaction, attributes, key.encode())


def split(transmits: Sequence[Transmit]) -> tuple[list[Transmit], list[Transmit]]:
    """Checks and answers."""
    checks = [t for t in transmits if stun.parse(t.data).message_class is Class.REQUEST]
    return checks, [t for t in transmits if t not in checks]


def server_alone(*, lite: bool = True) -> Side:
    """A server whose client is the test."""
    server = make_agent(SERVER, SERVER_BASES, lite=lite, may_check=lambda host, port: True)
    server.agent.set_remote(CLIENT, lite=False, now=0.0)
    return server


def prove(server: Side, source: Address, now: float, **options: object) -> None:
    """Send a check from an address, and answer the one that comes back."""
    server.agent.receive_datagram(request(**options), source, HOME, now)  # type: ignore[arg-type]
    checks, _ = split(server.fetch())
    for check in checks:
        theirs = options.get("theirs", CLIENT)
        assert isinstance(theirs, Credentials)
        data = answer_to(check, theirs.password)
        server.agent.receive_datagram(data, check.destination, HOME, now)
    server.fetch()


# Two agents


@pytest.mark.parametrize("lite", [True, False])
def test_two_agents_agree(lite: bool) -> None:
    """On the best pair, each from its side; and a lite one asks only where it was asked."""
    server, client = make_pair(lite=lite)
    Network([server, client]).run(2.0)
    assert server.way == (HOME, AWAY)
    assert client.way == (AWAY, HOME)
    assert not server.agent.controlling


def test_a_lite_agent_sends_nothing_to_who_was_only_named() -> None:
    """Whatever the client names, and however long it waits; a full one is bounded."""
    for lite in (True, False):
        server = server_alone(lite=lite)
        for port in range(2000, 2100):
            server.agent.add_candidate(RemoteCandidate(("203.0.113.1", port), 1), 0.0)
        Network([server]).run(60.0)
        size = sum(len(transmit.data) for transmit in server.sent)
        if lite:
            assert not server.sent
        else:
            assert 16 <= len(server.sent) <= agents.MAX_ASKED
            assert size <= agents.MAX_ASKED_BYTES
            assert server.agent.dropped["candidates"] == 100 - agents.MAX_NAMED


def test_a_lite_peer_is_controlled_by_this_side() -> None:
    """The answering side checks, nominates and is full (RFC 8445 section 6.1.1)."""
    server = make_agent(SERVER, SERVER_BASES, may_check=lambda host, port: True)
    client = make_agent(CLIENT, CLIENT_BASES, lite=True)
    for base in CLIENT_BASES:
        server.agent.add_candidate(RemoteCandidate(*base), 0.0)
    client.agent.set_remote(SERVER, lite=False, now=0.0)
    server.agent.set_remote(CLIENT, lite=True, now=0.0)
    Network([server, client]).run(3.0)
    assert server.agent.controlling
    assert server.way == (HOME, AWAY)
    assert client.way == (AWAY, HOME)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_role_conflicts_are_repaired(both: bool, seed: int) -> None:
    """Two full agents that both control, or neither (RFC 8445 section 7.3.1.1)."""
    one = make_agent(SERVER, SERVER_BASES, seed, lite=False, controlling=both)
    other = make_agent(CLIENT, CLIENT_BASES, seed, lite=False, controlling=both)
    for side, remote, bases in ((one, CLIENT, CLIENT_BASES), (other, SERVER, SERVER_BASES)):
        side.agent.set_remote(remote, lite=False, now=0.0)
        for base in bases:
            side.agent.add_candidate(RemoteCandidate(*base), 0.0)
    Network([one, other]).run(5.0)
    assert one.agent.controlling is not other.agent.controlling
    assert one.way is not None
    assert other.way == one.way[::-1]


@pytest.mark.parametrize("controlling", [True, False])
def test_who_gives_way_in_a_role_conflict(controlling: bool) -> None:
    """The side with the smaller tie-breaker is controlled (RFC 8445 section 7.3.1.1)."""
    role = Attribute.ICE_CONTROLLING if controlling else Attribute.ICE_CONTROLLED
    for tie_breaker, refused in ((0, controlling), ((1 << 64) - 1, not controlling)):
        server = make_agent(SERVER, SERVER_BASES, lite=False, controlling=controlling)
        server.agent.set_remote(CLIENT, lite=False, now=0.0)
        data = request(role=role, tie_breaker=tie_breaker)
        assert server.agent.receive_datagram(data, AWAY, HOME, 0.0) is not refused
        codes = [stun.parse(transmit.data).error_code() for transmit in server.fetch()]
        assert (487 in codes) is refused
        assert (server.agent.controlling is controlling) is refused


@settings(max_examples=tries(60), suppress_health_check=[HealthCheck.too_slow])
@given(
    lite=st.booleans(),
    seed=st.integers(0, 1 << 32),
    loss=st.floats(0, 0.4),
    copies=st.integers(1, 3),
    jitter=st.floats(0, 0.3),
    blocked=st.sets(st.sampled_from([base.address for base in CLIENT_BASES[1:]])),
)
def test_two_agents_over_a_bad_network(
    lite: bool,
    seed: int,
    loss: float,
    copies: int,
    jitter: float,
    blocked: set[Address],
) -> None:
    """Lossy, reordering, duplicating, and with paths that do not exist: they end on one pair."""
    dice = random.Random(seed)
    bad = True

    def treat(transmit: Transmit) -> list[float]:
        if not bad:
            return [0.02]
        if {transmit.local, transmit.destination} & blocked or dice.random() < loss:
            return []
        return [0.01 + dice.random() * jitter for _ in range(dice.randint(1, copies))]

    server, client = make_pair(lite=lite, seed=seed)
    network = Network([server, client], treat)
    network.run(25.0, lambda: server.way is not None and client.way is not None)
    if server.way is None or client.way is None:
        assert loss > 0.03, "at a small loss, what is sent again suffices"
        return
    network.run(network.now + 20.0)
    assert client.way is not None
    if loss < 0.1:  # of one nomination, four copies or their answers may be lost
        assert server.way == client.way[::-1]
    assert len(server.sent + client.sent) < 400
    heard = {transmit.local for transmit in client.sent}
    assert set(server.agent.trusted) <= heard, "nobody else is trusted"
    # And when it has become silent for good, it ends.
    bad = False
    network.treat = lambda _: []
    network.run(network.now + agents.CONSENT_TIMEOUT + agents.CONSENT_INTERVAL * 3)
    for side in (server, client):
        assert side.way is None
        assert isinstance(side.events[-1], Expired)
        assert not side.agent.trusted
        assert side.agent.next_timeout() is None


# One agent, and a slow model of whom it trusts

SOURCES = [("198.51.100.7", port) for port in range(6000, 6004)]
OTHER = Credentials("othr", "password-of-somebody-else")


@dataclass(frozen=True)
class Step:
    """What happens next."""

    kind: str
    source: int
    nominate: bool
    wait: float


STEPS = st.builds(
    Step,
    st.sampled_from(
        ["check", "forged", "stranger", "answer", "forged answer", "elsewhere", "junk"]
    ),
    st.integers(0, len(SOURCES) - 1),
    st.booleans(),
    st.sampled_from([0.0, 0.01, 0.6, 6.0]),
)


@settings(max_examples=tries(200), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=30), st.booleans())
def test_an_agent_trusts_whom_the_model_trusts(steps: list[Step], lite: bool) -> None:
    """An address is trusted after a check of the right password, proven after an answer to ours."""
    server = server_alone(lite=lite)
    heard: dict[Address, float] = {}
    proven: dict[Address, float] = {}
    outstanding: dict[Address, list[Transmit]] = {source: [] for source in SOURCES}
    selected: Address | None = None
    now = 0.0

    def fetch() -> None:
        for check in split(server.fetch())[0]:
            assert check.destination in heard, "asked where nobody has asked from"
            outstanding[check.destination].append(check)

    for number, step in enumerate(steps):
        now += step.wait
        source = SOURCES[step.source]
        server.agent.handle_timeout(now)
        fetch()
        if any(isinstance(event, Expired) for event in server.events):
            assert not server.agent.trusted
            break
        checks = outstanding[source]
        if step.kind == "check":
            data = request(nominate=step.nominate, number=number)
            assert server.agent.receive_datagram(data, source, HOME, now)
            heard[source] = now
            if step.nominate and selected is None and lite:
                selected = source
        elif step.kind == "forged":
            data = request(key="not the password of it", number=number)
            assert not server.agent.receive_datagram(data, source, HOME, now)
        elif step.kind == "stranger":
            data = request(theirs=OTHER, number=number)
            assert not server.agent.receive_datagram(data, source, HOME, now)
        elif step.kind == "junk":
            assert not server.agent.receive_datagram(b"\0" * number, source, HOME, now)
        elif checks and step.kind == "answer":
            if server.agent.receive_datagram(answer_to(checks[-1]), source, HOME, now):
                proven[source] = now
        elif checks and step.kind == "forged answer":
            data = answer_to(checks[-1], OTHER.password)
            assert not server.agent.receive_datagram(data, source, HOME, now)
        elif checks and step.kind == "elsewhere":
            other = SOURCES[(step.source + 1) % len(SOURCES)]
            assert not server.agent.receive_datagram(answer_to(checks.pop()), other, HOME, now)
        fetch()
        live = {
            address
            for address in heard
            if max(heard[address], proven.get(address, 0.0)) + agents.FORGET_AFTER > now
        }
        way = None if server.way is None else server.way[1]
        if way is not None:
            live.add(way)
        for address in set(proven) - live:
            del proven[address]
        if not any(isinstance(event, Expired) for event in server.events):
            assert set(server.agent.trusted) == live
            assert {a for a, sure in server.agent.trusted.items() if sure} == set(proven)
            if way is not None and way != selected:
                assert way in proven, "data goes where an answer came from, or to the very first"
                selected = way
        else:
            assert not server.agent.trusted
            break
    known: dict[Address, bool] = {}
    for event in server.events:
        if isinstance(event, Trusted):
            known[event.address] = event.proven
        elif isinstance(event, Forgotten):
            del known[event.address]
    assert known == server.agent.trusted, "whoever follows the events knows the same"


# What a stranger or a client may try


@pytest.mark.parametrize(
    "data",
    [
        request(key="wrong password"),
        request(ours=OTHER),
        request(theirs=OTHER),
        request()[:-4],
        request(number=1)[:20],
        b"",
        stun.build(Class.RESPONSE, bytes(12), [], SERVER.password.encode()),
        stun.build(Class.INDICATION, bytes(12), [], SERVER.password.encode()),
    ],
)
def test_strangers_are_not_answered(data: bytes) -> None:
    """So that a forged source is sent nothing."""
    server = server_alone()
    assert not server.agent.receive_datagram(data, AWAY, HOME, 1.0)
    assert not server.fetch()
    assert not server.events
    assert server.agent.next_timeout() is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request(priority=None), 400),
        (request(priority=b"abcde"), 400),
        (request(role=Attribute.ICE_CONTROLLED), 487),
    ],
)
def test_authenticated_nonsense_is_refused(data: bytes, code: int) -> None:
    """With an error that the client can trust, and trusts nobody by that."""
    server = server_alone()
    assert not server.agent.receive_datagram(data, AWAY, HOME, 1.0)
    (refusal,) = server.fetch()
    message = stun.parse(refusal.data)
    assert message.error_code() == code
    assert message.has_integrity(SERVER.password.encode())
    assert not server.agent.trusted


def test_an_unknown_attribute_is_named() -> None:
    """RFC 8489 section 6.3.1."""
    server = server_alone()
    unknown: list[tuple[Attribute, bytes]] = [(0x7FFE, b"x")]  # type: ignore[list-item]
    server.agent.receive_datagram(request(more=unknown), AWAY, HOME, 1.0)
    (refusal,) = server.fetch()
    message = stun.parse(refusal.data)
    assert message.error_code() == 420
    assert message.attributes[Attribute.UNKNOWN_ATTRIBUTES] == b"\x7f\xfe"


def test_a_client_with_many_addresses() -> None:
    """Few are remembered, and the one in use is never forgotten."""
    server = server_alone()
    prove(server, AWAY, 0.0, nominate=True)
    for number in range(500):
        source = "203.0.113.200", 1024 + number
        data = request(number=number, nominate=True)
        server.agent.receive_datagram(data, source, HOME, 1 + number / 100)
        server.fetch()
    assert len(server.agent.trusted) <= agents.MAX_PATHS
    assert server.way == (HOME, AWAY)
    assert AWAY in server.agent.trusted
    size = sum(len(transmit.data) for transmit in server.sent)
    assert size < 4 * 500 * len(request()), "what a forged source is sent"


def test_a_forged_source_does_not_take_the_media() -> None:
    """An admitted client cannot have its media sent to a third party that answers nothing."""
    server = server_alone()
    prove(server, AWAY, 0.0, nominate=True)
    victim = "203.0.113.99", 5000
    for number in range(50):
        data = request(nominate=True, number=number, priority=b"\xff" * 4)
        server.agent.receive_datagram(data, victim, HOME, 1.0 + number / 10)
    server.fetch()
    assert server.way == (HOME, AWAY)
    assert server.agent.trusted[victim] is False


def test_an_address_that_somebody_else_claims() -> None:
    """A lite agent, too, has it shown whose it is."""
    server = server_alone()
    server.agent.receive_datagram(request(nominate=True), AWAY, HOME, 0.0)
    assert split(server.fetch())[0] == []
    assert server.agent.trusted == {AWAY: False}
    server.agent.challenge(AWAY, 0.1)
    (check,) = server.fetch()
    server.agent.receive_datagram(answer_to(check), AWAY, HOME, 0.2)
    assert server.agent.trusted == {AWAY: True}
    server.agent.challenge(AWAY, 0.3)
    server.agent.challenge(("203.0.113.1", 1), 0.3)
    assert not server.fetch()


@settings(max_examples=tries(200), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Class),
            st.lists(
                st.tuples(st.sampled_from(Attribute), st.binary(max_size=40)),
                max_size=6,
            ),
            st.booleans(),
            st.sampled_from([SERVER.password, CLIENT.password]),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_whatever_a_client_signs(
    messages: list[tuple[Class, list[tuple[Attribute, bytes]], bool, str]], lite: bool
) -> None:
    """Attributes of any content, in answers too: nothing is raised, and little is sent."""
    server = server_alone(lite=lite)
    transaction = bytes(12)
    for number, (message_class, attributes, addressed, key) in enumerate(messages):
        if addressed:
            attributes = [(Attribute.USERNAME, b"srvr:clnt"), *attributes]
        data = stun.build(message_class, transaction, attributes, key.encode())
        server.agent.receive_datagram(data, SOURCES[number % 2], HOME, number / 10)
        sent = server.fetch()
        assert len(sent) <= 3
        for check in split(sent)[0]:
            transaction = stun.parse(check.data).transaction
    assert set(server.agent.trusted) <= set(SOURCES)


# Moving, and restarting


def test_media_follow_a_client_that_moves() -> None:
    """At once where the new way is no worse; and where it is, when nothing comes the old way."""
    for priority, checks in ((1 << 24, 1), (1, 2)):
        server = server_alone()
        prove(server, AWAY, 0.0, nominate=True)
        moved = "203.0.113.50", 5000
        for number in range(checks):
            assert server.way == (HOME, AWAY)
            now = 1.0 + number / 10
            prove(server, moved, now, nominate=True, number=9, priority=priority.to_bytes(4))
        assert server.way == (HOME, moved)


def test_an_aggressive_client_does_not_swing() -> None:
    """It nominates all its paths all the time (RFC 5245): the best one counts."""
    server = server_alone()
    worse = "203.0.113.50", 5000
    for number in range(20):
        now = number / 10
        prove(server, worse, now, nominate=True, number=number, priority=b"\0\0\0\1")
        prove(server, AWAY, now, nominate=True, number=number, priority=b"\0\1\0\0")
        assert server.way == (HOME, AWAY)
    assert len([e for e in server.events if isinstance(e, Selected)]) == 2


def test_a_restart_goes_over_without_a_gap() -> None:
    """The old way is used until one of the new credentials is nominated (RFC 8445 section 9)."""
    server = server_alone()
    prove(server, AWAY, 0.0, nominate=True)
    ours, theirs = Credentials("nsrv", "new" * 8), Credentials("nclt", "wen" * 8)
    server.agent.restart(ours)
    assert server.agent.ufrags == ["nsrv", "srvr"]
    server.agent.set_remote(theirs, lite=False, now=1.0)
    assert server.way == (HOME, AWAY)
    prove(server, AWAY, 2.0, nominate=True, number=5)
    assert server.way == (HOME, AWAY), "late checks of the old ones are answered"
    moved = "203.0.113.50", 5000
    prove(server, moved, 3.0, ours=ours, theirs=theirs)
    assert server.way == (HOME, AWAY), "not nominated yet"
    assert set(server.agent.trusted) == {AWAY, moved}
    prove(server, moved, 3.1, ours=ours, theirs=theirs, nominate=True)
    assert server.way == (HOME, moved)
    assert set(server.agent.trusted) == {moved}
    assert server.agent.ufrags == ["nsrv"]
    assert not server.agent.receive_datagram(request(), AWAY, HOME, 4.0), "the old ones are void"


def test_a_restart_that_is_restarted() -> None:
    """What is in use stays; what has not come to anything is forgotten."""
    server = server_alone()
    prove(server, AWAY, 0.0, nominate=True)
    for name in ("one1", "two2", "thr3"):
        ours, theirs = Credentials(name, name * 6), Credentials(name[::-1], name * 7)
        server.agent.restart(ours)
        assert server.agent.ufrags == [name, "srvr"]
        server.agent.set_remote(theirs, lite=False, now=1.0)
        assert server.way == (HOME, AWAY)
        prove(server, ("203.0.113.50", len(name)), 2.0, ours=ours, theirs=theirs)
    prove(server, AWAY, 3.0, ours=ours, theirs=theirs, nominate=True)
    assert server.agent.ufrags == ["thr3"]
    assert server.way == (HOME, AWAY)


@settings(max_examples=tries(40), suppress_health_check=[HealthCheck.too_slow])
@given(
    lite=st.booleans(),
    seed=st.integers(0, 1 << 32),
    loss=st.floats(0, 0.2),
    answering=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=4),
    moves=st.booleans(),
)
def test_restarts_over_a_bad_network(
    lite: bool, seed: int, loss: float, answering: list[float], moves: bool
) -> None:
    """The server restarts with the offer, the client when it has the answer, which takes its time.

    There is a way at all times; in the end it is one of the latest credentials, and where the
    first address of the client is gone, from another one.
    """
    dice = random.Random(seed)
    gone: set[Address] = set()

    def treat(transmit: Transmit) -> list[float]:
        if {transmit.local, transmit.destination} & gone or dice.random() < loss:
            return []
        return [0.01 + dice.random() * 0.05]

    server, client = make_pair(lite=lite, seed=seed)
    network = Network([server, client])
    network.run(3.0)
    network.treat = treat
    if moves:
        gone.add(AWAY)
    for number, delay in enumerate(answering):
        ours = Credentials(f"srv{number}", f"password-of-the-server-{number}")
        theirs = Credentials(f"clt{number}", f"password-of-the-client-{number}")
        server.agent.restart(ours)
        server.agent.set_remote(theirs, lite=False, now=network.now)
        for base in CLIENT_BASES:
            server.agent.add_candidate(RemoteCandidate(*base), network.now)
        assert len(server.agent.ufrags) == 2
        network.run(network.now + delay)
        assert server.way is not None
        client.agent.restart(theirs)
        client.agent.set_remote(ours, lite=False, now=network.now)
        for base in SERVER_BASES:
            client.agent.add_candidate(RemoteCandidate(*base), network.now)
        network.run(network.now + delay)
        assert server.way is not None
    network.treat = lambda transmit: (
        [0.02] if not {transmit.local, transmit.destination} & gone else []
    )
    network.run(network.now + 10.0)
    assert server.way is not None
    assert server.agent.ufrags == [ours.ufrag], "the old credentials are void"
    assert client.way == server.way[::-1]
    assert (server.way[1] == AWAY) is not moves or loss > 0
    assert not gone & {server.way[1]}
    assert not gone & set(server.agent.trusted)


# Consent


def test_consent_is_an_authenticated_matter() -> None:
    """30 s after the last check (lite) or answer (full) nothing is sent any more (RFC 7675)."""
    for lite in (True, False):
        server = server_alone(lite=lite)
        prove(server, AWAY, 0.0, nominate=True)
        network = Network([server])
        network.run(29.0)
        checks = split(server.sent)[0]
        assert 4 <= len(checks) <= 9
        assert {check.destination for check in checks} == {AWAY}
        server.agent.receive_datagram(request(number=3), AWAY, HOME, 29.0)
        network.run(31.0)
        assert (server.way is not None) is lite, "a full agent wants an answer"
        server.agent.receive_datagram(answer_to(checks[-1], OTHER.password), AWAY, HOME, 31.0)
        network.run(60.0)
        assert server.way is None
        assert isinstance(server.events[-1], Expired)


def test_consent_is_withdrawn() -> None:
    """By a signed 403 (RFC 7675 section 5.2)."""
    server = server_alone()
    prove(server, AWAY, 0.0, nominate=True)
    assert server.agent.probe(1.0)
    (check,) = server.fetch()
    server.agent.receive_datagram(answer_to(check, OTHER.password, 403), AWAY, HOME, 1.0)
    assert server.way is not None
    server.agent.receive_datagram(answer_to(check, code=403), AWAY, HOME, 1.0)
    assert server.way is None


def test_claims_are_those_under_way() -> None:
    """Agents that share a socket leave nothing behind in what they share."""
    claims: dict[bytes, Agent] = {}
    server = make_agent(SERVER, SERVER_BASES, claims=claims)
    server.agent.set_remote(CLIENT, lite=False, now=0.0)
    prove(server, AWAY, 0.0, nominate=True)
    server.agent.receive_datagram(request(nominate=True), ("203.0.113.50", 5000), HOME, 0.0)
    server.agent.probe(0.0)
    assert len(claims) == 2
    assert set(claims.values()) == {server.agent}
    server.agent.close()
    assert not claims
