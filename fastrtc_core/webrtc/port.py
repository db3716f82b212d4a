"""One UDP port for all sessions of an event loop.

A datagram finds its session in two ways: a connectivity check by the user name that it carries, and
all else by the address that it comes from, once that has passed a check (rule 13). What belongs to
no session is dropped and counted before anything is made of it.

A port belongs to the event loop on which its first session came. It is opened for that one, shared
by all who ask for its number on this loop, and closed with the last. Another loop of the same
process (the UI of Gradio has one of its own) cannot open it too: it takes another number, or 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .connectivity import stun
from .connectivity.agent import Agent, Expired, Forgotten, Selected, Trusted
from .connectivity.paths import Base, host_priority
from .connectivity.stun import Address, Attribute, Class

logger = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 << 20
"""Bytes that the kernel is asked to keep for each socket: 0.2 s of 100 cameras."""

MAX_DATAGRAM = 1 << 16
"""Bytes of the longest datagram."""

BATCH = 32
"""Datagrams that are read at one wake-up, before the event loop serves others."""

_BINDING_ATTEMPTS = 8
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("9I")
"""`SO_MEMINFO` of Linux (include/uapi/linux/sock_diag.h); the last number counts drops."""

_ports: dict[tuple[asyncio.AbstractEventLoop, int], UdpPort] = {}


@dataclass(frozen=True)
class PortStatistics:
    """What a port has to say of itself.

    Attributes:
        addresses: Of its sockets.
        sessions: How many transports use it.
        receive_buffer: Bytes that the kernel keeps for the socket that has the least; 0 once it is
            closed.
        dropped: Datagrams that were dropped, by reason.
    """

    addresses: tuple[Address, ...]
    sessions: int
    receive_buffer: int
    dropped: Counter[str]


def open_port(number: int, addresses: Sequence[str]) -> UdpPort:
    """The port of this number on the running event loop; opened if nobody has it open.

    Args:
        number: The port; 0 for any that is free.
        addresses: The addresses of this machine to listen on.

    Raises:
        OSError: If it cannot be opened; the text says what to change.
    """
    loop = asyncio.get_running_loop()
    port = _ports.get((loop, number))
    if port is None:
        port = UdpPort(loop, number, _bind(number, addresses))
        _ports[loop, number] = port
    return port


class UdpPort:
    """A port with its sockets, one for each address; see `open_port`.

    Attributes:
        bases: Its sockets, the preferred one first.
        claims: Which agent waits for the answer to which check.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, number: int, sockets: Sequence[socket.socket]
    ) -> None:
        self.loop = loop
        self.claims: dict[bytes, Agent] = {}
        self._key = loop, number
        self._sockets: dict[Address, socket.socket] = {}
        self._by_ufrag: dict[str, Line] = {}
        self._by_address: dict[Address, Line] = {}
        self._by_agent: dict[Agent, Line] = {}
        self._dropped: Counter[str] = Counter()
        self._buffer = bytearray(MAX_DATAGRAM)
        for sock in sockets:
            local = sock.getsockname()[:2]
            self._sockets[local] = sock
            try:
                loop.add_reader(sock.fileno(), self._read, sock, local)
            except NotImplementedError:
                for other in sockets:
                    other.close()
                raise OSError(
                    errno.ENOTSUP,
                    "udp_port needs an event loop that watches sockets: on Windows the "
                    "SelectorEventLoop of asyncio",
                ) from None
        self.bases = [
            Base(address, host_priority(rank)) for rank, address in enumerate(self._sockets)
        ]
        got = self.statistics().receive_buffer
        # Linux reports twice what it was asked for.
        report = logger.info if got >= RECEIVE_BUFFER else logger.warning
        report(
            "UDP port %d is open on %s; receive buffer %d bytes%s",
            self.bases[0].address[1],
            ", ".join(host for host, _ in self._sockets),
            got,
            "" if got >= RECEIVE_BUFFER else "; raise net.core.rmem_max for many sessions",
        )

    def statistics(self) -> PortStatistics:
        """How it stands."""
        dropped = self._dropped.copy()
        for sock in self._sockets.values():
            if lost := _dropped_by_kernel(sock):
                dropped["datagrams for which the kernel had no room"] += lost
        buffers = [
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for sock in self._sockets.values()
        ]
        return PortStatistics(
            tuple(self._sockets), len(self._by_agent), min(buffers, default=0), dropped
        )

    def serves(self, ufrag: str) -> bool:
        """Whether checks with this user name belong to somebody."""
        return ufrag in self._by_ufrag

    def join(
        self, agent: Agent, take: Callable[[bytes], None], changed: Callable[[bool], None]
    ) -> Line:
        """Let an agent use the port.

        Args:
            agent: One with the `bases` and `claims` of this port, and a user name that is free.
            take: Takes data from its addresses.
            changed: Called after the agent was given something, with whether that was a sign of
                life.
        """
        line = Line(self, agent, take, changed)
        self._by_agent[agent] = line
        self.rename(line)
        return line

    def rename(self, line: Line) -> None:
        """Take the user names that an agent has by now for its own, and no others."""
        for ufrag in [ufrag for ufrag, other in self._by_ufrag.items() if other is line]:
            del self._by_ufrag[ufrag]
        self._by_ufrag.update(dict.fromkeys(line.agent.ufrags, line))

    def leave(self, line: Line) -> None:
        """Let an agent go; the last one closes the port. Idempotent."""
        if self._by_agent.pop(line.agent, None) is None:
            return
        line.agent.close()
        line.settle()
        line.stop()
        for ufrag in [ufrag for ufrag, other in self._by_ufrag.items() if other is line]:
            del self._by_ufrag[ufrag]
        if not self._by_agent:
            self._close()

    def claim(self, line: Line, address: Address, *, proven: bool) -> None:
        """Take what comes from an address for theirs.

        Where somebody has it already, only who has shown that its packets come back from there
        gets it: the source of a check can be forged.
        """
        owner = self._by_address.get(address)
        if owner is None or proven:
            self._by_address[address] = line
        elif owner is not line:
            self._dropped["addresses of others"] += 1
            line.agent.challenge(address, self.loop.time())

    def release(self, line: Line, address: Address) -> None:
        """Take nothing from an address any more, if it was theirs."""
        if self._by_address.get(address) is line:
            del self._by_address[address]

    def send(self, data: bytes, local: Address, destination: Address) -> None:
        """Send a datagram; dropped where the kernel does not take it."""
        try:
            self._sockets[local].sendto(data, destination)
        except BlockingIOError:
            self._dropped["datagrams that could not be sent"] += 1
        except OSError as error:
            self._dropped["datagrams that could not be sent"] += 1
            logger.debug("nothing can be sent to %s: %s", destination, error)

    def _close(self) -> None:
        _ports.pop(self._key, None)
        dropped = self.statistics().dropped
        for sock in self._sockets.values():
            self.loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()
        if dropped:
            logger.info("dropped: %s", ", ".join(f"{n} {what}" for what, n in dropped.items()))

    def _read(self, sock: socket.socket, local: Address) -> None:
        buffer = self._buffer
        for _ in range(BATCH):
            try:
                size, source = sock.recvfrom_into(buffer)
            except BlockingIOError:
                return
            except OSError:  # what ICMP said of a datagram that was sent
                continue
            data = bytes(memoryview(buffer)[:size])
            if data and data[0] >= 4:  # no STUN (RFC 7983 section 7)
                line = self._by_address.get(source[:2])
                if line is None:
                    self._dropped["datagrams of strangers"] += 1
                else:
                    line.take(data)
            else:
                self._take_check(data, source[:2], local)
            if not self._sockets:  # what came has closed the port
                return

    def _take_check(self, data: bytes, source: Address, local: Address) -> None:
        try:
            message = stun.parse(data)
        except stun.MalformedMessageError:
            self._dropped["datagrams of strangers"] += 1
            return
        if message.message_class is Class.REQUEST:
            ufrag = (message.text(Attribute.USERNAME) or "").partition(":")[0]
            line = self._by_ufrag.get(ufrag)
        else:
            agent = self.claims.get(message.transaction)
            line = None if agent is None else self._by_agent.get(agent)
        if line is None:
            self._dropped["checks of strangers"] += 1
            return
        alive = line.agent.receive(message, source, local, self.loop.time())
        line.settle()
        line.changed(alive)


class Line:
    """What joins an agent and a port.

    Attributes:
        agent: The agent; whoever tells it something calls `settle` afterwards.
        take: Takes data from its addresses.
        changed: Told of what the agent was given.
        way: From which of our addresses data goes to which of theirs.
        expired: Whether the other side no longer consents.
    """

    def __init__(
        self,
        port: UdpPort,
        agent: Agent,
        take: Callable[[bytes], None],
        changed: Callable[[bool], None],
    ) -> None:
        self.agent = agent
        self.take = take
        self.changed = changed
        self.way: tuple[Address, Address] | None = None
        self.expired = False
        self._port = port
        self._timer: asyncio.TimerHandle | None = None
        # uvloop's handle of a timer that is due already does not know when it was.
        self._due = 0.0

    def send(self, data: bytes) -> bool:
        """Send data the selected way; whether there is one."""
        if self.way is None:
            return False
        self._port.send(data, *self.way)
        return True

    def settle(self) -> None:
        """Send what the agent wants sent, note what has happened, and set its timer."""
        agent, port = self.agent, self._port
        while (event := agent.poll_event()) is not None:
            if isinstance(event, Trusted):
                port.claim(self, event.address, proven=event.proven)
            elif isinstance(event, Forgotten):
                port.release(self, event.address)
            elif isinstance(event, Selected):
                self.way = event.local, event.remote
                port.rename(self)  # after a restart, the old names are void
            elif isinstance(event, Expired):
                self.way, self.expired = None, True
        while (transmit := agent.poll_transmit()) is not None:
            port.send(*transmit)
        due = agent.next_timeout()
        # A timer that is due earlier is left alone: it finds nothing to do, and sets itself anew.
        if due is not None and (self._timer is None or self._due > due):
            self.stop()
            self._due = due
            self._timer = port.loop.call_at(due, self._tick)

    def stop(self) -> None:
        """Let time pass without it; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        # A timer may ring a little before its time.
        self.agent.handle_timeout(self._port.loop.time() + 1e-3)
        self.settle()
        self.changed(False)


def _bind(number: int, addresses: Sequence[str]) -> list[socket.socket]:
    """Sockets on one port of each address; addresses that are gone are left out."""
    for attempt in range(_BINDING_ATTEMPTS):
        sockets: list[socket.socket] = []
        port = number
        try:
            for address in addresses:
                sock = _socket(address)
                try:
                    sock.bind((address, port))
                except OSError as error:
                    sock.close()
                    if error.errno == errno.EADDRNOTAVAIL:
                        continue
                    raise
                sockets.append(sock)
                port = sock.getsockname()[1]
        except OSError as error:
            for sock in sockets:
                sock.close()
            if number == 0 and error.errno == errno.EADDRINUSE and attempt < _BINDING_ATTEMPTS - 1:
                continue  # the port that is free on one address is not on another
            raise OSError(
                error.errno,
                f"UDP port {number} cannot be opened ({error.strerror}): choose another udp_port; "
                "each process, and each event loop in it, needs one of its own",
            ) from None
        if sockets:
            return sockets
        break
    raise OSError(errno.EADDRNOTAVAIL, "this machine has no address to listen on for media")


def _socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return sock


def _dropped_by_kernel(sock: socket.socket) -> int:
    """Datagrams for which there was no room; 0 where the kernel does not say."""
    with contextlib.suppress(OSError, struct.error):
        info = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        drops: int = _MEMINFO.unpack(info)[-1]
        return drops
    return 0
