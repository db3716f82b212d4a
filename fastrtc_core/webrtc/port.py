"""One UDP port for all sessions of an event loop.

A datagram finds its session in two ways: a connectivity check by the user name that it carries, and
all else by the address that it comes from, once that has passed a check (rule 13). What belongs to
no session is dropped and counted before anything is made of it.

A port belongs to the event loop on which its first session came. It is opened for that one, shared
by all who ask for its number on this loop, and closed with the last. Number 0 is any port that is
free, the same one for all on this loop. Another loop of the same process (the UI of Gradio has one
of its own) cannot open a port too: it takes another number, or a 0 of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import sockets
from .connectivity import stun
from .connectivity.paths import host_priority
from .connectivity.stun import Address
from .line import Line, SharedPort, close_abandoned
from .sockets import PortNumber

logger = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 << 20
"""Bytes that the kernel is asked to keep for each socket: 0.2 s of 100 cameras."""

MAX_DATAGRAM = 1 << 16
"""Bytes of the longest datagram."""

BATCH = 32
"""Datagrams that are read at one wake-up, before the event loop serves others."""

_SO_MEMINFO = 55
_MEMINFO = struct.Struct("9I")
"""`SO_MEMINFO` of Linux (include/uapi/linux/sock_diag.h); the last number counts drops."""

_ports: dict[tuple[asyncio.AbstractEventLoop, PortNumber], UdpPort] = {}


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


def open_port(number: PortNumber, addresses: Sequence[str]) -> UdpPort:
    """The port of this number on the running event loop; opened if nobody has it open.

    Args:
        number: The port; 0 for any that is free; or a range, for one of them that is free.
        addresses: The addresses of this machine to listen on.

    Raises:
        OSError: If it cannot be opened; the text says what to change.
    """
    loop = asyncio.get_running_loop()
    close_abandoned(_ports)
    port = _ports.get((loop, number))
    if port is None:
        port = UdpPort(loop, number, sockets.bind("UDP", number, addresses))
        _ports[loop, number] = port
    else:
        port.follow(addresses)
    return port


class UdpPort(SharedPort):
    """A port with its sockets, one for each address; see `open_port`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, number: PortNumber, bound: Sequence[socket.socket]
    ) -> None:
        super().__init__(loop)
        self._key = loop, number
        self._sockets: dict[Address, socket.socket] = {}
        self._by_address: dict[Address, Line] = {}
        self._overflowed = False
        try:
            for sock in bound:
                self._watch(sock)
        except NotImplementedError:
            for sock in bound:
                sock.close()
            raise OSError(
                errno.ENOTSUP,
                "udp_port and tcp_port need an event loop that watches sockets: on Windows the "
                "SelectorEventLoop of asyncio",
            ) from None
        self.follow([address[0] for address in self._sockets])
        got = self.statistics().receive_buffer
        # Linux reports twice what it was asked for.
        # Whoever chose a port expects many; where nobody did, it opens and closes with each visit.
        report = logger.info if got >= RECEIVE_BUFFER or number == 0 else logger.warning
        report(
            "UDP port %d is open on %s; receive buffer %d bytes%s",
            self.bases[0].address[1],
            ", ".join(address[0] for address in self._sockets),
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

    def leave(self, line: Line) -> None:
        """Serve it no longer; see `SharedPort`. Says once if the kernel's buffer was too small."""
        if not self._overflowed and (lost := sum(map(_dropped_by_kernel, self._sockets.values()))):
            self._overflowed = True
            logger.warning(
                "UDP port %d: the kernel has dropped %d datagrams, as its buffer had no room while "
                "the event loop was busy; raise net.core.rmem_max to %d",
                self.bases[0].address[1],
                lost,
                RECEIVE_BUFFER,
            )
        super().leave(line)

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

    def _addresses(self) -> Iterable[Address]:
        return self._sockets

    def _open(self, address: str) -> None:
        (sock,) = sockets.bind("UDP", self.bases[0].address[1], [address])
        self._watch(sock)

    _priority = staticmethod(host_priority)

    def _watch(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        local = sock.getsockname()[:2]
        self.loop.add_reader(sock.fileno(), self._read, sock, local)
        self._sockets[local] = sock

    def _close(self) -> None:
        if not self._sockets:
            return
        if _ports.get(self._key) is self:
            del _ports[self._key]
        dropped = self.statistics().dropped
        for sock in self._sockets.values():
            self.loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()
        if dropped:
            logger.info("dropped: %s", ", ".join(f"{n} {what}" for what, n in dropped.items()))

    def _read(self, sock: socket.socket, local: Address) -> None:
        for _ in range(BATCH):
            try:
                data, source = sock.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # what ICMP said of a datagram that was sent
                continue
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
        line = self._addressed(message)
        if line is None:
            self._dropped["checks of strangers"] += 1
            return
        alive = line.agent.receive(message, source, local, self.loop.time())
        line.settle()
        line.changed(alive)


def _dropped_by_kernel(sock: socket.socket) -> int:
    """Datagrams for which there was no room; 0 where the kernel does not say."""
    with contextlib.suppress(OSError, struct.error):
        info = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        drops: int = _MEMINFO.unpack(info)[-1]
        return drops
    return 0
