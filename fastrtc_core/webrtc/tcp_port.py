"""One TCP port for the sessions of an event loop whose clients have no UDP (RFC 6544).

Connections are accepted, and never begun. One belongs to nobody until a connectivity check on it
has passed, which names its session; from then on all that comes over it is for that session (rule
13). Until then it gets little room and little time, and whoever opens many gets no more of both
(`connectivity.strangers`). A client that reads slowly loses packets, as on any slow network; what
waits for it is bounded here and in the kernel.

It belongs to an event loop, is opened and closed as a UDP port is (`port`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..registry import network_of
from . import sockets
from .connectivity import stun
from .connectivity.framing import Deframer, FrameTooLongError, Outbox, framed
from .connectivity.paths import passive_priority
from .connectivity.strangers import Strangers
from .connectivity.stun import Address, TcpAddress
from .line import Line, SharedPort, close_abandoned
from .sockets import PortNumber

logger = logging.getLogger(__name__)

BATCH = 32
"""Connections that are accepted at one wake-up, before the event loop serves others."""

PAUSE = 1.0
"""How long in s nothing is accepted when this process can open no more files."""

READ = 1 << 14
"""Bytes that are read of one connection, before the event loop serves others."""

MAX_FRAME = 8192
"""Bytes of the longest datagram: as much as any client sends over UDP."""

MAX_FRAME_OF_STRANGER = 1500
"""The same, until a check has passed."""

MAX_ATTEMPTS = 4
"""Checks of a stranger that fail, of which one may be about the role."""

MAX_EARLY = 1 << 18
"""Bytes of a stranger that are no checks: a client whose connection broke goes on with its media
over another one, and checks it a moment later. They are dropped."""

MAX_CONNECTIONS = 16
"""Connections of one session; a browser opens one for each pair of addresses."""

MAX_WAITING = 1 << 18
"""Bytes that wait for one connection here: a large keyframe."""

MAX_WAIT = 0.5
"""How long in s one datagram waits here."""

SEND_BUFFER = 1 << 18
"""Bytes that the kernel is asked to keep until they are acknowledged: 3 Mb/s and 0.5 s."""

UNSENT = 1 << 14
"""Of them, bytes that may wait to be sent at all."""

_ports: dict[tuple[asyncio.AbstractEventLoop, PortNumber], TcpPort] = {}


@dataclass(frozen=True)
class TcpStatistics:
    """What a port has to say of itself.

    Attributes:
        addresses: Where it accepts connections.
        sessions: How many transports use it.
        connections: How many connections there are.
        strangers: How many of them have not passed a check.
        dropped: Connections and datagrams that were dropped, by reason.
    """

    addresses: tuple[Address, ...]
    sessions: int
    connections: int
    strangers: int
    dropped: Counter[str]


def open_tcp_port(number: PortNumber, addresses: Sequence[str]) -> TcpPort:
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
        port = TcpPort(loop, number, sockets.bind("TCP", number, addresses))
        _ports[loop, number] = port
    else:
        port.follow(addresses)
    return port


class TcpPort(SharedPort):
    """A port with its sockets and connections; see `open_tcp_port`.

    Attributes:
        buffer: What was read last; each reader is done with it before the next one reads.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, number: PortNumber, bound: Sequence[socket.socket]
    ) -> None:
        super().__init__(loop)
        self.buffer = bytearray(READ)
        self._key = loop, number
        self._listening: dict[TcpAddress, socket.socket] = {}
        self._pauses: dict[TcpAddress, asyncio.TimerHandle] = {}
        self._connections: dict[Address, _Connection] = {}
        self._strangers = Strangers()
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = itertools.count(1)
        for sock in bound:
            self._watch(sock)
        self.follow([host for host, _, _ in self._listening])
        logger.info(
            "TCP port %d is open on %s",
            self.bases[0].address[1],
            ", ".join(host for host, _, _ in self._listening),
        )

    def statistics(self) -> TcpStatistics:
        """How it stands."""
        return TcpStatistics(
            tuple(self._listening),
            len(self._by_agent),
            len(self._connections),
            len(self._strangers),
            self._dropped.copy(),
        )

    def claim(self, line: Line, address: Address, *, proven: bool) -> None:
        """A connection has passed a check."""
        connection = self._connections.get(address)
        if connection is None or connection.line is not None:
            return
        self._strangers.leave(connection.remote)
        connection.admit(line)
        others = [other for other in self._connections.values() if other.line is line]
        if len(others) > MAX_CONNECTIONS:
            in_use = None if line.way is None else line.way[1]
            oldest = next(other for other in others if other.remote != in_use)
            self._dropped["connections beyond those of one session"] += 1
            oldest.end()

    def release(self, line: Line, address: Address) -> None:
        """Close a connection."""
        connection = self._connections.get(address)
        if connection is not None and connection.line is line:
            connection.close()

    def send(self, data: bytes, local: Address, destination: Address) -> None:
        """Send a datagram over a connection, if it is still there."""
        connection = self._connections.get(destination)
        if connection is None:
            self._dropped["datagrams for connections that have ended"] += 1
        else:
            connection.send(data)

    def _addresses(self) -> Iterable[Address]:
        return self._listening

    def _open(self, address: str) -> None:
        (sock,) = sockets.bind("TCP", self.bases[0].address[1], [address])
        self._watch(sock)

    _priority = staticmethod(passive_priority)

    def _watch(self, sock: socket.socket) -> None:
        host, number = sock.getsockname()[:2]
        local = TcpAddress(host, number, 0)
        self.loop.add_reader(sock.fileno(), self._accept, sock, local)
        self._listening[local] = sock

    def _close(self) -> None:
        if not self._listening:
            return
        if _ports.get(self._key) is self:
            del _ports[self._key]
        for connection in list(self._connections.values()):
            connection.abort()
        for pause in self._pauses.values():
            pause.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for sock in self._listening.values():
            self.loop.remove_reader(sock.fileno())
            sock.close()
        self._listening.clear()
        if self._dropped:
            logger.info(
                "dropped: %s", ", ".join(f"{n} {what}" for what, n in self._dropped.items())
            )

    # Who comes

    def _accept(self, sock: socket.socket, local: TcpAddress) -> None:
        for _ in range(BATCH):
            try:
                accepted, source = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in sockets.EXHAUSTED:
                    self._pause(sock, local)
                    return
                continue  # whoever it was has left already
            try:
                _prepare(accepted)
            except OSError:
                accepted.close()
                continue
            remote = TcpAddress(source[0], source[1], next(self._numbers))
            now = self.loop.time()
            gone = self._strangers.enter(remote, network_of(remote.host), now)
            if gone is not None:
                self._dropped["connections of strangers, for others"] += 1
                self._connections[gone].abort()
            self._connections[remote] = _Connection(self, accepted, local, remote)
            if self._timer is None:
                self._watch_strangers()

    def _pause(self, sock: socket.socket, local: TcpAddress) -> None:
        """Accept nothing for a moment: the kernel would say at once that somebody waits."""
        self._dropped["pauses for lack of file descriptors"] += 1
        logger.warning("no connection can be accepted: this process has too many files open")
        self.loop.remove_reader(sock.fileno())

        def go_on() -> None:
            del self._pauses[local]
            self.loop.add_reader(sock.fileno(), self._accept, sock, local)

        self._pauses[local] = self.loop.call_later(PAUSE, go_on)

    def _watch_strangers(self) -> None:
        due = self._strangers.next_timeout()
        self._timer = None if due is None else self.loop.call_at(due, self._expel)

    def _expel(self) -> None:
        # A timer may ring a little before its time.
        for remote in self._strangers.expire(self.loop.time() + 1e-3):
            self._dropped["connections of strangers, for their silence"] += 1
            self._connections[remote].abort()
        self._watch_strangers()

    # What comes

    def take(self, connection: _Connection, data: bytes) -> None:
        """Take a datagram that came over a connection."""
        line = connection.line
        if line is not None and data[:1] >= b"\4":  # no STUN (RFC 7983 section 7)
            line.take(data)
            return
        if line is None and data[:1] >= b"\4":
            self._dropped["datagrams of strangers"] += 1
            connection.early += len(data)
            if connection.early > MAX_EARLY:
                self._refuse(connection)
            return
        connection.attempts += line is None
        try:
            message = stun.parse(data)
        except stun.MalformedMessageError:
            self._refuse(connection)
            return
        addressee = line or self._addressed(message)
        if addressee is not None:
            alive = addressee.agent.receive(
                message, connection.remote, connection.local, self.loop.time()
            )
            addressee.settle()
            addressee.changed(alive)
        if connection.line is None and connection.attempts >= MAX_ATTEMPTS:
            self._refuse(connection)

    def _refuse(self, connection: _Connection) -> None:
        """It sent what nobody sends who belongs here."""
        if connection.line is None:
            self._dropped["connections of strangers, for what they sent"] += 1
            connection.abort()
        else:
            self._dropped["malformed messages"] += 1

    def lost(self, connection: _Connection) -> None:
        """A connection has ended."""
        line = connection.line
        if line is not None:
            line.agent.lose(connection.remote)
            line.settle()
            line.changed(False)

    def forget(self, connection: _Connection) -> None:
        """A connection is closed."""
        del self._connections[connection.remote]
        self._strangers.leave(connection.remote)

    def note_damage(self) -> None:
        """A frame was too long."""
        self._dropped["connections, for a frame that is too long"] += 1

    def note_slowness(self, connection: _Connection, dropped: int) -> None:
        """So many datagrams were dropped that a connection did not take in time."""
        what = "datagrams that a connection was too slow for"
        self._dropped[what] += dropped
        if connection.line is not None:
            connection.line.agent.dropped[what] += dropped


class _Connection:
    """One connection.

    Attributes:
        line: Whose it is; nobody's until a check has passed.
        attempts: How many checks came before.
        early: How many bytes came before that are no checks.
        local: Where it was accepted.
        remote: Its other end.
    """

    def __init__(
        self, port: TcpPort, sock: socket.socket, local: TcpAddress, remote: TcpAddress
    ) -> None:
        self.line: Line | None = None
        self.attempts = 0
        self.early = 0
        self.local = local
        self.remote = remote
        self._port = port
        self._sock = sock
        self._deframer = Deframer(MAX_FRAME_OF_STRANGER)
        self._outbox = Outbox(MAX_WAITING, MAX_WAIT)
        self._counted = 0
        self._open = True
        port.loop.add_reader(sock.fileno(), self._read)

    def admit(self, line: Line) -> None:
        """It is theirs."""
        self.line = line
        self._deframer.limit = MAX_FRAME

    def send(self, data: bytes) -> None:
        """Send a datagram, now or soon; or drop it."""
        frame = framed(data)
        outbox = self._outbox
        if outbox:
            outbox.push(frame, self._port.loop.time())
        elif (sent := self._write(frame)) < len(frame):
            outbox.push(frame, self._port.loop.time(), sent)
            self._port.loop.add_writer(self._sock.fileno(), self._write_more)
        if outbox.dropped != self._counted:
            self._count()

    def end(self) -> None:
        """Close it, and tell its session."""
        self.close()
        self._port.lost(self)

    def abort(self) -> None:
        """Close it without a farewell; the kernel keeps nothing of it."""
        if self._open:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.close()

    def close(self) -> None:
        """Close it; idempotent."""
        if not self._open:
            return
        self._open = False
        loop, number = self._port.loop, self._sock.fileno()
        loop.remove_reader(number)
        loop.remove_writer(number)
        self._sock.close()
        self._port.forget(self)

    def _read(self) -> None:
        buffer = self._port.buffer
        try:
            size = self._sock.recv_into(buffer)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if size == 0:
            self.end()
            return
        deframer = self._deframer
        deframer.receive(memoryview(buffer)[:size])
        try:
            while self._open and (frame := deframer.next_frame()) is not None:
                self._port.take(self, frame)
        except FrameTooLongError:
            # What follows cannot be read, whoever sent it.
            self._port.note_damage()
            self.abort()
            self._port.lost(self)

    def _write(self, data: bytes) -> int:
        """Write what the kernel takes of it; how much that was."""
        try:
            return self._sock.send(data)
        except OSError:
            return 0  # there is no room; or it has ended, which is read soon

    def _write_more(self) -> None:
        outbox = self._outbox
        outbox.expire(self._port.loop.time())
        while data := outbox.peek():
            try:
                outbox.wrote(self._sock.send(data))
            except BlockingIOError:
                break
            except OSError:
                self.end()
                break
        else:
            self._port.loop.remove_writer(self._sock.fileno())
        self._count()

    def _count(self) -> None:
        dropped = self._outbox.dropped - self._counted
        self._counted = self._outbox.dropped
        if dropped:
            self._port.note_slowness(self, dropped)


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if (unsent := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
        sock.setsockopt(socket.IPPROTO_TCP, unsent, UNSENT)


_AT_ONCE = struct.pack("ii", 1, 0)
