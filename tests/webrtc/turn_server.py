"""A TURN server on the loop of the test: everything expires when the standard says so (RFC 8656).

Coturn keeps a permission for as long as a channel, and credentials for as long as an allocation;
others do not, and a test need not wait ten minutes here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aioice import stun
from aioice.ice import get_host_addresses
from aioice.stun import Class, Message, Method
from aioice.turn import make_integrity_key

REALM = "test"
PASSWORD = "secret"
ALLOCATION, CHANNEL, PERMISSION = 600.0, 600.0, 300.0
"""Lifetimes in s."""


def own_address() -> str:
    """An address of this machine that is no loopback address, if it has one."""
    return next(iter(get_host_addresses(use_ipv4=True, use_ipv6=False)), "127.0.0.1")


class TurnServer(asyncio.DatagramProtocol):
    """One server, over UDP.

    Attributes:
        refuses: What its error says to whoever asks for something; nothing is refused without.
        silent: Whether it answers nobody.
        allocations: Those that stand, by the address of their client.
        made: How many there have been.
        relayed: Datagrams that went to peers.
        lost: Datagrams that came without a permission, or too late.
    """

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.refuses: tuple[int, str] | None = None
        self.silent = False
        self.allocations: dict[Any, Allocation] = {}
        self.made = 0
        self.relayed = 0
        self.lost = 0

    @property
    def url(self) -> str:
        """Under which it is reached."""
        host, port = self.transport.get_extra_info("sockname")
        return f"turn:{host}:{port}"

    def ice_server(self, **other: Any) -> dict[str, Any]:
        """Its description, with credentials that are good."""
        return {"urls": self.url, "username": "user", "credential": PASSWORD, **other}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self.silent:
            return
        if data[0] & 0xC0 == 0x40:
            self._pass_on(data, address)
            return
        request = stun.parse_message(data)
        if request.message_class is Class.REQUEST:
            self._serve(request, address)

    def _pass_on(self, data: bytes, address: Any) -> None:
        allocation = self.allocations.get(address)
        channel, size = int.from_bytes(data[:2]), int.from_bytes(data[2:4])
        if allocation is None or not allocation.send(channel, data[4 : 4 + size]):
            self.lost += 1
        else:
            self.relayed += 1

    def _serve(self, request: Message, address: Any) -> None:
        key = make_integrity_key("user", REALM, PASSWORD)
        if self.refuses is not None or not request.check_message_integrity(key):
            code = self.refuses or (401, "Unauthorized")
            more: dict[str, Any] = {"ERROR-CODE": code, "REALM": REALM, "NONCE": b"once"}
            self._answer(request, address, Class.ERROR, more)
            return
        now = asyncio.get_running_loop().time()
        allocation = self.allocations.get(address)
        if request.message_method is Method.ALLOCATE:
            self.made += 1
            allocation = self.allocations[address] = Allocation(self, address, now)
            more = {
                "XOR-RELAYED-ADDRESS": allocation.address,
                "XOR-MAPPED-ADDRESS": address,
                "LIFETIME": int(ALLOCATION),
            }
            self._answer(request, address, Class.RESPONSE, more, key)
        elif allocation is None or allocation.until <= now:
            self._answer(request, address, Class.ERROR, {"ERROR-CODE": (437, "Mismatch")}, key)
        elif request.message_method is Method.REFRESH:
            if request.attributes["LIFETIME"]:
                allocation.until = now + ALLOCATION
            else:
                self.allocations.pop(address).close()
            self._answer(request, address, Class.RESPONSE, {"LIFETIME": int(ALLOCATION)}, key)
        elif request.message_method is Method.CHANNEL_BIND:
            peer = request.attributes["XOR-PEER-ADDRESS"]
            allocation.channels[request.attributes["CHANNEL-NUMBER"]] = peer, now + CHANNEL
            allocation.permissions[peer[0]] = now + PERMISSION
            self._answer(request, address, Class.RESPONSE, {}, key)

    def _answer(
        self,
        request: Message,
        address: Any,
        message_class: Class,
        attributes: dict[str, Any],
        key: bytes | None = None,
    ) -> None:
        answer = Message(
            Method(request.message_method), message_class, request.transaction_id, attributes
        )
        if key is not None:
            answer.add_message_integrity(key)
        self.transport.sendto(bytes(answer), address)

    def close(self) -> None:
        for allocation in self.allocations.values():
            allocation.close()
        self.transport.close()


class Allocation:
    """One relay."""

    def __init__(self, server: TurnServer, client: Any, now: float) -> None:
        self.until = now + ALLOCATION
        self.channels: dict[int, tuple[Any, float]] = {}
        self.permissions: dict[str, float] = {}
        self._server = server
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((server.transport.get_extra_info("sockname")[0], 0))
        self._loop.add_reader(self._socket, self._read)

    @property
    def address(self) -> Any:
        """Where its peers see its client."""
        return self._socket.getsockname()

    def send(self, channel: int, data: bytes) -> bool:
        peer, until = self.channels.get(channel, (None, 0.0))
        now = self._loop.time()
        if until <= now or self.until <= now or self.permissions[peer[0]] <= now:
            return False
        self._socket.sendto(data, peer)
        return True

    def _read(self) -> None:
        data, peer = self._socket.recvfrom(1 << 16)
        now = self._loop.time()
        for channel, (address, until) in self.channels.items():
            if address == peer and min(until, self.until, self.permissions[peer[0]]) > now:
                header = channel.to_bytes(2) + len(data).to_bytes(2)
                self._server.transport.sendto(header + data, self._client)
                return
        self._server.lost += 1

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()


@asynccontextmanager
async def turn_server(host: str = "127.0.0.1") -> AsyncIterator[TurnServer]:
    """A server on a port that is free."""
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(TurnServer, local_addr=(host, 0))
    try:
        yield server
    finally:
        server.close()
