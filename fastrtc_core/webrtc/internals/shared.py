"""The shared ports where aiortc has an ICE agent of aioice."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import string
from collections.abc import Callable
from typing import Any

from aioice import Candidate, ConnectionClosed
from aioice.candidate import candidate_foundation
from aioice.ice import get_host_addresses
from aiortc import RTCPeerConnection
from aiortc.rtcicetransport import RTCIceParameters

from ..connectivity.agent import Agent
from ..connectivity.paths import Base, Credentials, RemoteCandidate
from ..line import Line, SharedPort
from ..port import open_port
from ..sockets import PortNumber
from ..tcp_port import open_tcp_port
from .gate import MayCheck, PacketIntake

PROBE_TIMEOUT = 0.5
"""How long in s an answer to a probe may take."""

MAX_CANDIDATES = 128
"""Candidates of the other side that are kept until this side has its own."""

_LETTERS = string.ascii_letters + string.digits


def share_ports(
    pc: RTCPeerConnection,
    udp: PortNumber,
    tcp: PortNumber | None,
    may_check: MayCheck | None,
    *,
    lite: bool,
) -> None:
    """Let a connection that has no transport yet use ports that others use too.

    Args:
        pc: The connection; it is to answer offers.
        udp: The UDP port; 0 for any.
        tcp: The TCP port; 0 for any, `None` for none.
        may_check: Which candidates may be checked, where any are.
        lite: Whether none are, but where the other side is a lite agent.
    """
    private: Any = pc
    original = private._RTCPeerConnection__createDtlsTransport
    credentials = Credentials(_random(8), _random(24))

    def create() -> Any:
        dtls = original()
        transport, gatherer = dtls.transport, dtls.transport.iceGatherer
        connection = SharedConnection(
            udp, tcp, credentials, PacketIntake(dtls), may_check, lambda: pc.signalingState, lite
        )
        transport._connection = gatherer._connection = connection
        transport._recv, transport._send = connection.recv, connection.send
        gatherer.getLocalParameters = connection.parameters
        return dtls

    private._RTCPeerConnection__createDtlsTransport = create


class SharedConnection:
    """What aiortc uses of an `aioice.Connection`, over an agent of ours on shared ports.

    Args:
        udp: The UDP port; 0 for any.
        tcp: The TCP port; 0 for any, `None` for none.
        credentials: Of this side, unless another transport on the port has them.
        intake: Takes what comes in.
        may_check: Which candidates may be checked, where any are.
        signaling_state: That of the peer connection.
        lite: Whether no candidates are checked, but those of a lite agent.
    """

    def __init__(
        self,
        udp: PortNumber,
        tcp: PortNumber | None,
        credentials: Credentials,
        intake: PacketIntake,
        may_check: MayCheck | None,
        signaling_state: Callable[[], str],
        lite: bool = True,
    ) -> None:
        self.intake = intake
        self.ice_controlling = False
        """Set by aiortc: for an answer, whether the other side is a lite agent."""
        self.remote_is_lite = False
        self.remote_username: str | None = None
        self.remote_password: str | None = None
        self.remote_candidates: list[Candidate] = []
        self.local_candidates: list[Candidate] = []
        self._udp = udp
        self._tcp = tcp
        self._credentials = credentials
        self._next: tuple[Credentials, Credentials] | None = None
        """Those of both sides that are to follow: a restart of which the other side is not told."""
        self._candidates_before: list[Candidate] = []
        self._may_check = may_check
        self._signaling_state = signaling_state
        self._lite = lite
        self._ports: list[SharedPort] = []
        """That of UDP, and that of TCP."""
        self._line: Line | None = None
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()

    # What aiortc calls

    @property
    def local_username(self) -> str:
        """The user name fragment of this side."""
        return self._credentials.ufrag

    @property
    def local_password(self) -> str:
        """The password of this side."""
        return self._credentials.password

    def parameters(self) -> RTCIceParameters:
        """What stands in the description of this side."""
        credentials = self._credentials if self._next is None else self._next[0]
        return RTCIceParameters(*credentials, iceLite=self._lite and not self.ice_controlling)

    async def gather_candidates(self) -> None:
        """Open the ports, or join those who have.

        Raises:
            OSError: If one cannot be opened.
        """
        if self._ports or self._closed.is_set():
            return
        self._ports = ports = self._open_ports()
        bases = [base for port in ports for base in port.bases]
        self.local_candidates = [_candidate(base) for base in bases]
        if ports[0].serves(self._credentials.ufrag):
            if self._signaling_state() == "have-local-offer":
                return  # a further section of a bundle; the answer puts it on the first transport
            self._credentials = Credentials(_random(8), _random(24))
        hosts = [base.address[0] for base in ports[0].bases]
        may_check = self._may_check
        agent = Agent(
            self._credentials,
            bases,
            lite=self._lite,
            may_check=(
                None if may_check is None else lambda host, port: may_check(host, port, hosts)
            ),
            claims=ports[0].claims,
        )
        self._line = Line(agent, ports, self.intake.take, self._note)
        self.intake.count(agent.dropped)

    def _open_ports(self) -> list[SharedPort]:
        addresses = get_host_addresses(use_ipv4=True, use_ipv6=True) or ["127.0.0.1"]
        udp = open_port(self._udp, addresses)
        if self._tcp is None:
            return [udp]
        try:
            return [udp, open_tcp_port(self._tcp, addresses)]
        except OSError:
            udp.close_if_unused()
            raise

    async def add_remote_candidate(self, candidate: Candidate | None) -> None:
        """Keep a candidate; a lite agent has no use for it unless the other side is one, too."""
        if candidate is None or len(self.remote_candidates) >= MAX_CANDIDATES:
            return
        self.remote_candidates.append(candidate)
        if self._line is not None and not self._line.agent.lite and self._next is None:
            self._name(self._line, candidate)

    async def connect(self) -> None:
        """Wait until the other side has chosen a way.

        Raises:
            ConnectionError: If it was closed before, or there is nothing to connect with.
        """
        line = self._line
        if line is None or self.remote_username is None or self.remote_password is None:
            raise ConnectionError("there is no ICE agent, or nothing is known of the other side")
        remote = Credentials(self.remote_username, self.remote_password)
        self._meet(line, remote)
        while line.way is None:
            if self._closed.is_set():
                raise ConnectionError("ICE has ended before there was a connection")
            self._changed.clear()
            await self._changed.wait()

    def _meet(self, line: Line, remote: Credentials) -> None:
        line.agent.set_remote(remote, lite=self.remote_is_lite, now=self._now())
        if not line.agent.lite:
            for candidate in self.remote_candidates:
                self._name(line, candidate)
        line.settle()

    async def send(self, data: bytes) -> None:
        """Send data to the other side."""
        if self._line is None or not self._line.send(data):
            raise ConnectionError("there is no way to the other side")

    async def recv(self) -> bytes:
        """The next data of the other side."""
        item = None if self._closed.is_set() else await self.intake.get()
        if item is None:
            raise ConnectionError("the connection has ended")
        return item

    async def get_event(self) -> ConnectionClosed:
        """Wait until it is closed."""
        await self._closed.wait()
        return ConnectionClosed()

    async def close(self) -> None:
        """Leave the port; idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._changed.set()
        self.intake.end()
        if self._line is not None:
            self._line.leave()
        self.local_candidates = []
        self._line = None

    # Restarting (RFC 8445 section 9)

    def prepare_restart(self, remote: Credentials) -> None:
        """Describe this side with new credentials; all else stays as it is until `restart`.

        Args:
            remote: The new ones of the other side, whose new candidates are to follow.
        """
        self._next = Credentials(_random(8), _random(24)), remote
        self._candidates_before, self.remote_candidates = self.remote_candidates, []

    def restart(self) -> None:
        """Begin anew, as was prepared; data goes the old way until there is a new one."""
        assert self._next is not None
        self._credentials, remote = self._next
        self.remote_username, self.remote_password = remote
        self._next, self._candidates_before = None, []
        if self._line is None:
            return  # it has ended meanwhile
        self.intake.heard += 1  # whoever asks for it is alive, and gets the time to find a way
        self._line.agent.restart(self._credentials)
        self._line.rename()
        self._meet(self._line, remote)

    def abandon_restart(self) -> None:
        """Go on as before `prepare_restart`; the other side was told of nothing."""
        self._next, self.remote_candidates = None, self._candidates_before

    # What we ask it

    @property
    def ended(self) -> bool:
        """Whether it was closed, or the other side no longer consents."""
        return self._closed.is_set()

    @property
    def reached(self) -> bool:
        """Whether an authenticated check or answer has come."""
        return self._line is not None and self._line.agent.heard > 0

    async def probe(self) -> bool:
        """Ask the other side for a sign of life; whether it answers."""
        line = self._line
        if line is None:
            return False
        agent = line.agent
        answers = agent.answers
        if not agent.probe(self._now()):
            return False
        line.settle()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                while agent.answers == answers and not self._closed.is_set():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return agent.answers > answers

    def _name(self, line: Line, candidate: Candidate) -> None:
        try:
            ipaddress.ip_address(candidate.host)
        except ValueError:
            return
        if candidate.transport.lower() == "udp":
            named = RemoteCandidate((candidate.host, candidate.port), candidate.priority)
            line.agent.add_candidate(named, self._now())
            line.settle()

    def _note(self, alive: bool) -> None:
        """Something has come to the agent, or was due."""
        self.intake.heard += alive
        self._changed.set()
        line = self._line
        if line is not None and line.expired and not self._closed.is_set():
            line.leave()
            self._closed.set()
            self.intake.end()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _candidate(base: Base) -> Candidate:
    host, port = base.address[:2]
    transport = "tcp" if base.passive else "udp"
    return Candidate(
        foundation=candidate_foundation("host", transport, host),
        component=1,
        transport=transport,
        priority=base.priority,
        host=host,
        port=port,
        type="host",
        tcptype="passive" if base.passive else None,
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
