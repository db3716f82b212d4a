"""A client that has no UDP: what it sends to a socket on its own host goes over a connection.

Any ICE agent serves as the client that way, and any test of it runs over TCP as well.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastrtc_core.webrtc.connectivity.framing import Deframer, framed

PASSIVE = re.compile(
    r"^a=candidate:\S+ 1 tcp (\d+) (\S+) (\d+) typ host tcptype passive\r\n", re.MULTILINE
)
CANDIDATE = re.compile(r"^a=candidate:.*\r\n", re.MULTILINE)
Address = tuple[str, int]


def doors_of(sdp: str) -> list[Address]:
    """The IPv4 sockets that a description names for connections."""
    return [(host, int(port)) for _, host, port in PASSIVE.findall(sdp) if ":" not in host]


class Tunnel:
    """Leads from a UDP socket to a TCP port, and back: one connection for each of its clients.

    Attributes:
        connections: By the address of the client's socket.
        begun: How many there were.
    """

    def __init__(self) -> None:
        self.connections: dict[Address, _Connection] = {}
        self.begun = 0
        self.loop = asyncio.get_running_loop()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setblocking(False)
        self._bound = False
        self._door: Address | None = None

    def through(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer of which only the TCP port is left, and that at this end of the tunnel."""
        self._door, *_ = doors_of(answer["sdp"])
        if not self._bound:
            self._bound = True
            self.udp.bind((self._door[0], 0))
            self.loop.add_reader(self.udp.fileno(), self._outwards)
        here, number = self.udp.getsockname()
        line = f"a=candidate:1 1 udp 1518280447 {here} {number} typ host\r\n"
        sections = answer["sdp"].split("m=")
        with_it = [
            CANDIDATE.sub("", one).replace("a=end-of-candidates\r\n", "")
            + (line + "a=end-of-candidates\r\n") * ("a=candidate" in one)
            for one in sections
        ]
        return {**answer, "sdp": "m=".join(with_it)}

    def cut(self) -> None:
        """End all connections; the next datagram begins another."""
        for connection in list(self.connections.values()):
            connection.close()

    def close(self) -> None:
        """End."""
        self.cut()
        self.loop.remove_reader(self.udp.fileno())
        self.udp.close()

    def _outwards(self) -> None:
        data, client = self.udp.recvfrom(1 << 16)
        connection = self.connections.get(client)
        if connection is None:
            assert self._door is not None
            try:
                sock = socket.create_connection(self._door)
            except OSError:
                return
            self.begun += 1
            connection = self.connections[client] = _Connection(self, sock, client)
        connection.send(data)


class _Connection:
    def __init__(self, tunnel: Tunnel, sock: socket.socket, client: Address) -> None:
        self._tunnel = tunnel
        self._sock = sock
        self._client = client
        self._deframer = Deframer()
        self.port: int = sock.getsockname()[1]
        sock.setblocking(False)
        self.go_on()

    def hold(self) -> None:
        """Read nothing any more."""
        self._tunnel.loop.remove_reader(self._sock.fileno())

    def go_on(self) -> None:
        """Read it again."""
        self._tunnel.loop.add_reader(self._sock.fileno(), self._inwards)

    def send(self, data: bytes) -> None:
        try:
            self._sock.sendall(framed(data))
        except OSError:
            self.close()

    def close(self) -> None:
        self.hold()
        self._sock.close()
        del self._tunnel.connections[self._client]

    def _inwards(self) -> None:
        try:
            data = self._sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._deframer.receive(data)
        while (frame := self._deframer.next_frame()) is not None:
            self._tunnel.udp.sendto(frame, self._client)


@asynccontextmanager
async def tunnel() -> AsyncIterator[Tunnel]:
    """One that is closed in the end."""
    made = Tunnel()
    try:
        yield made
    finally:
        made.close()
