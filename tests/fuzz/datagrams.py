"""What anybody may send to the shared port, and what must hold whatever it is.

A string of bytes is read as a story: who sends what from where, and how time passes. It is played
to the real port and its agents, with sockets and a clock that are none. `test_datagrams.py` plays
some in the suite; `python -m tests.fuzz.ice` has atheris look for others.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from fastrtc_core.webrtc import port as ports
from fastrtc_core.webrtc.connectivity import agent as agents
from fastrtc_core.webrtc.connectivity import stun
from fastrtc_core.webrtc.connectivity.agent import Agent
from fastrtc_core.webrtc.connectivity.paths import Credentials, RemoteCandidate
from fastrtc_core.webrtc.connectivity.stun import Address, Attribute, Class
from fastrtc_core.webrtc.line import Line
from fastrtc_core.webrtc.port import UdpPort

SOURCES: list[Address] = [
    ("198.51.100.1", 50000),
    ("198.51.100.1", 50001),
    ("203.0.113.9", 50000),
    ("2001:db8::7", 50000),
    ("2001:db8::8", 9),
]
NAMED: Address = ("203.0.113.77", 5000)
"""An address that a client only names."""

HOMES: list[Address] = [("192.0.2.1", 40000), ("2001:db8::1", 40000)]
ATTRIBUTES = [*Attribute, 0x7FFE, 0xFFFE]
MAX_FOR_ONE = 4
"""Datagrams that one may bring about."""


class Party:
    """A session on the port, and both ends of what is known of it.

    Attributes:
        ours: The credentials of the server, of this restart and the one before.
        theirs: Those of the client.
        heard: From where something came that one of these keys has signed.
        got: From where data was handed on.
    """

    def __init__(self, name: str, *, full: bool) -> None:
        self.name = name
        self.full = full
        self.restarts = 0
        self.ours: list[Credentials] = []
        self.theirs: list[Credentials] = []
        self.heard: set[Address] = set()
        self.got: list[bytes] = []
        self.line: Line

    def renew(self) -> tuple[Credentials, Credentials]:
        """Credentials for a restart; those of the one before still count."""
        self.restarts += 1
        number = self.restarts % 10
        self.ours.append(Credentials(f"srv{self.name}{number}", f"ours-{self.name}-{number}" * 3))
        self.theirs.append(Credentials(f"clt{self.name}{number}", f"theirs{self.name}{number}" * 3))
        return self.ours[-1], self.theirs[-1]

    @property
    def keys(self) -> list[bytes]:
        return [c.password.encode() for c in (*self.ours[-2:], *self.theirs[-2:])]


class Story:
    """One story.

    Args:
        data: What happens, in bytes.

    Attributes:
        datagrams: How many came.
    """

    def __init__(self, data: bytes) -> None:
        self.datagrams = 0
        self._data = data
        self._at = 0
        self._loop = _Loop()
        self._sockets = [_Socket(address, self._note_sent) for address in HOMES]
        loop: Any = self._loop
        sockets: Any = self._sockets
        self._port = UdpPort(loop, 40000, sockets)
        self._parties = [Party("a", full=False), Party("b", full=False), Party("c", full=True)]
        self._sent: list[tuple[bytes, Address, Address]] = []
        self._asked: dict[Address, list[bytes]] = {}
        self._source: Address = SOURCES[0]
        for party in self._parties:
            self._join(party)

    def play(self) -> None:
        """Let it happen; raises `AssertionError` if something does that must not."""
        try:
            for step in itertools.count(1):
                if self._at >= len(self._data):
                    break
                self._step()
                if step % 8 == 0:
                    self._check_bounds()
            self._check_bounds()
            assert len(self._port.statistics().dropped) < 10, "reasons are ours to choose"
        finally:
            self._close()
        assert not self._port.claims
        assert not self._port._by_address
        assert not self._port._by_ufrag
        assert not self._loop.timers, "nothing is left to be done"

    # What happens

    def _step(self) -> None:
        kind = self._byte()
        self._source = SOURCES[self._byte() % len(SOURCES)]
        party = self._parties[kind % 3]
        choice = kind // 3 % 9
        if choice <= 1:
            self._receive(self._check(party))
        elif choice == 2:
            self._receive(self._answer(party))
        elif choice == 3:
            self._receive(self._damage(self._check(party)))
        elif choice == 4:
            self._receive(self._damage(self._answer(party)))
        elif choice == 5:
            self._receive(self._bytes(self._byte()))
        elif choice == 6:
            self._receive(bytes([4 + self._byte() % 252, *self._bytes(12)]))
        elif choice == 7:
            self._pass(2.0 ** (self._byte() % 10) / 16)
        else:
            self._signal(party)

    def _signal(self, party: Party) -> None:
        """What its client tells over HTTP, or its end."""
        what = self._byte() % 4
        if not any(party is other for other in self._living()):
            self._join(party)
        elif what == 0:
            ours, theirs = party.renew()
            party.line.agent.restart(ours)
            self._port.rename(party.line)
            party.line.agent.set_remote(theirs, lite=False, now=self._loop.now)
            party.line.settle()
        elif what == 1:
            party.line.agent.add_candidate(RemoteCandidate(NAMED, 1 << 20), self._loop.now)
            party.line.settle()
        elif what == 2 and len(party.line.agent._checks) < agents.MAX_PATHS:
            party.line.agent.probe(self._loop.now)
            party.line.settle()
        elif what == 3:
            party.line.leave()
        self._check_sent(None)

    def _check(self, party: Party) -> bytes:
        """A check that its client has signed, or the client of another one."""
        flags = self._byte()
        old = -2 if flags & 1 and len(party.ours) > 1 else -1
        ours, theirs = party.ours[old], party.theirs[old]
        attributes: list[tuple[Any, bytes]] = [
            (Attribute.USERNAME, f"{ours.ufrag}:{theirs.ufrag}".encode()),
            (Attribute.ICE_CONTROLLED if flags & 2 else Attribute.ICE_CONTROLLING, self._bytes(8)),
        ]
        if not flags & 4:
            attributes.append((Attribute.PRIORITY, self._bytes(4)))
        if flags & 8:
            attributes.append((Attribute.USE_CANDIDATE, b""))
        attributes += self._further(flags >> 4 & 1)
        signer = self._parties[self._byte() % 3] if flags & 32 else party
        key = ours.password if signer is party else signer.ours[-1].password
        return stun.build(Class.REQUEST, self._bytes(12), attributes, key.encode())

    def _answer(self, party: Party) -> bytes:
        """An answer to a check that went to this address, or to none."""
        flags = self._byte()
        asked = self._asked.get(self._source if not flags & 1 else NAMED, [])
        transaction = asked[-1] if asked else self._bytes(12)
        address = HOMES[0] if not flags & 2 else SOURCES[0]
        attributes: list[tuple[Any, bytes]] = [
            (Attribute.XOR_MAPPED_ADDRESS, stun.pack_address(address, transaction))
        ]
        message_class = Class.RESPONSE
        if flags & 4:
            message_class = Class.ERROR
            code = (487, 403, 401, 500)[flags >> 5 & 3]
            attributes = [(Attribute.ERROR_CODE, stun.error_value(code, "No"))]
        attributes += self._further(flags >> 3 & 1)
        key = party.theirs[-2 if flags & 16 and len(party.theirs) > 1 else -1].password.encode()
        return stun.build(message_class, transaction, attributes, key)

    def _further(self, count: int) -> Iterator[tuple[Any, bytes]]:
        for _ in range(count * (1 + self._byte() % 3)):
            yield ATTRIBUTES[self._byte() % len(ATTRIBUTES)], self._bytes(self._byte() % 40)

    def _damage(self, data: bytes) -> bytes:
        """The same with some bytes changed, cut off or added; and at times with a right length."""
        damaged = bytearray(data)
        for _ in range(1 + self._byte() % 4):
            damaged[self._byte() % len(damaged)] ^= self._byte()
        cut = self._byte()
        if cut < 128:
            del damaged[max(0, len(damaged) - cut % 64) :]
        damaged += self._bytes(self._byte() % 16)
        if cut & 1 and len(damaged) >= stun.HEADER_SIZE:
            damaged += bytes(-len(damaged) % 4)
            damaged[2:4] = (len(damaged) - stun.HEADER_SIZE).to_bytes(2)
        return bytes(damaged)

    def _pass(self, seconds: float) -> None:
        end = self._loop.now + seconds
        for _ in range(1000):
            if not self._loop.run_next(end):
                break
        else:
            raise AssertionError("time stands still")
        self._loop.now = end
        self._check_sent(None)

    def _receive(self, data: bytes) -> None:
        self.datagrams += 1
        living = list(self._living())
        for party in living:
            if _signed(data, party.keys):
                party.heard.add(self._source)
        home = HOMES[":" in self._source[0]]
        got = {party.name: len(party.got) for party in self._parties}
        socket = self._sockets[HOMES.index(home)]
        socket.arrived = [(data, self._source)]
        if self._port._sockets:
            self._port._read(socket, home)  # type: ignore[arg-type]
        for party in self._parties:
            if len(party.got) > got[party.name]:
                assert self._source in party.heard, "data of a stranger"
        self._check_sent(data)

    # What must hold

    def _check_sent(self, data: bytes | None) -> None:
        """Nothing goes to an address from which nothing that was signed has come."""
        sent, self._sent = self._sent, []
        if data is not None:
            assert len(sent) <= MAX_FOR_ONE
        heard = {address for party in self._parties for address in party.heard}
        for datagram, _, destination in sent:
            named = destination == NAMED and any(party.full for party in self._parties)
            assert destination in heard or named, f"{destination} has asked for nothing"
            message = stun.parse(datagram)
            if message.message_class is Class.REQUEST:
                asked = self._asked.setdefault(destination, [])
                asked.append(message.transaction)
                del asked[:-4]

    def _check_bounds(self) -> None:
        """Whatever comes, little is kept; and only authenticated addresses are trusted."""
        for party in self._living():
            agent = party.line.agent
            assert not agent._transmits
            assert not agent._events
            assert len(agent._checks) <= 2 * agents.MAX_PATHS
            for generation in agent._generations():
                assert len(generation.paths) <= agents.MAX_PATHS
                assert len(generation.named) <= agents.MAX_NAMED
                assert generation.asked <= agents.MAX_ASKED
                assert generation.asked_bytes <= agents.MAX_ASKED_BYTES
            assert set(agent.trusted) <= party.heard
            assert party.line.way is None or party.line.way[1] in party.heard
        living = [party.line for party in self._living()]
        assert set(self._port._by_address.values()) <= set(living)
        assert len(self._port._by_ufrag) <= 2 * len(living)
        assert len(self._port.claims) == sum(len(line.agent._checks) for line in living)
        assert len(self._loop.timers) <= len(living)

    # Its parts

    def _living(self) -> Iterator[Party]:
        return (party for party in self._parties if party.line.agent in self._port._by_agent)

    def _join(self, party: Party) -> None:
        if not self._port._sockets:
            return  # the last one has closed the port
        ours, theirs = party.renew()
        dice = random.Random(f"{party.name} {party.restarts}")
        agent = Agent(
            ours,
            self._port.bases,
            lite=not party.full,
            may_check=lambda host, port: True,
            claims=self._port.claims,
            randomness=dice.randbytes,
        )
        party.heard = set()
        party.line = Line(agent, [self._port], party.got.append, lambda alive: None)
        agent.set_remote(theirs, lite=False, now=self._loop.now)
        party.line.settle()

    def _close(self) -> None:
        for party in self._parties:
            party.line.leave()

    def _note_sent(self, data: bytes, local: Address, destination: Address) -> None:
        self._sent.append((data, local, destination))

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def _bytes(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")


def _signed(data: bytes, keys: list[bytes]) -> bool:
    """Whether a message integrity stands somewhere in it that one of the keys has made.

    Looked for in every place, so that it does not depend on how the parser reads the message.
    """
    at = data.find(b"\x00\x08\x00\x14", stun.HEADER_SIZE)
    while at >= 0:
        length = (at - stun.HEADER_SIZE + 24).to_bytes(2)
        covered = data[:2] + length + data[4:at]
        if any(hmac.digest(key, covered, "sha1") == data[at + 4 : at + 24] for key in keys):
            return True
        at = data.find(b"\x00\x08\x00\x14", at + 1)
    return False


class _Socket:
    """A socket that is none: what arrives is put into it, and what it sends is noted."""

    def __init__(self, address: Address, sent: Callable[[bytes, Address, Address], None]) -> None:
        self.arrived: list[tuple[bytes, Address]] = []
        self._address = address
        self._sent = sent

    def getsockname(self) -> Address:
        return self._address

    def fileno(self) -> int:
        return id(self)

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        if size:
            raise OSError("it is no socket")
        return ports.RECEIVE_BUFFER

    def setsockopt(self, level: int, option: int, value: int) -> None: ...

    def recvfrom(self, most: int) -> tuple[bytes, Address]:
        if not self.arrived:
            raise BlockingIOError
        return self.arrived.pop()

    def sendto(self, data: bytes, destination: Address) -> None:
        self._sent(data, self._address, destination)

    def close(self) -> None: ...


class _Loop:
    """As much of an event loop as a port needs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        loop: Any = self
        timer = asyncio.TimerHandle(when, call, (), loop)
        self.timers.append(timer)
        return timer

    def run_next(self, end: float) -> bool:
        """Call what is due next, if anything is by then."""
        due = min(self.timers, key=lambda timer: timer.when(), default=None)
        if due is None or due.when() > end:
            return False
        self.now = max(self.now, due.when())
        self.timers.remove(due)
        due._run()
        return True

    def add_reader(self, *args: Any) -> None: ...

    def remove_reader(self, *args: Any) -> None: ...

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise context["exception"]

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        self.timers.remove(timer)
