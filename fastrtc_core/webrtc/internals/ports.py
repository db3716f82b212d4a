"""Sockets on the UDP ports of a range."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from typing import Any

from aioice import Candidate, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCPeerConnection

from .connection import ice_connections

SOCKET_BUFFER = 1 << 20
"""Receive buffer of a media socket in bytes."""


def restrict_ports(pc: RTCPeerConnection, ports: range) -> None:
    """Bind the sockets of a connection that has not gathered yet to ports of a range.

    Raises:
        OSError: Out of `setLocalDescription`, if every port of the range is taken.
    """
    for connection in ice_connections(pc):
        original: Any = connection.get_component_candidates

        async def gather(
            component: int,
            addresses: list[str],
            timeout: int = 5,
            connection: Connection = connection,
            original: Any = original,
        ) -> list[Candidate]:
            protocols = [
                await _bind(connection, component, address, ports) for address in addresses
            ]
            candidates = [protocol.local_candidate for protocol in protocols]
            if connection.stun_server is not None:
                candidates += await _reflexive(protocols, connection.stun_server, timeout)
            # Without addresses, what is left for aioice is the TURN server.
            relayed: list[Candidate] = await original(
                component=component, addresses=[], timeout=timeout
            )
            return candidates + relayed

        connection.get_component_candidates = gather  # type: ignore[method-assign]


async def _reflexive(
    protocols: list[StunProtocol], server: tuple[str, int], timeout: float
) -> list[Candidate]:
    """What a STUN server says of the IPv4 sockets; nothing where it does not answer in time."""

    async def ask(protocol: StunProtocol) -> Candidate | None:
        try:
            async with asyncio.timeout(timeout):
                return (await server_reflexive_candidate(protocol, server))[0]
        except (TimeoutError, OSError, stun.TransactionError):
            return None

    answers = await asyncio.gather(
        *(ask(protocol) for protocol in protocols if ":" not in protocol.local_candidate.host)
    )
    return [candidate for candidate in answers if candidate is not None]


async def _bind(connection: Connection, component: int, address: str, ports: range) -> StunProtocol:
    loop = asyncio.get_running_loop()
    start = random.randrange(len(ports))
    for port in itertools.chain(ports[start:], ports[:start]):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(connection), local_addr=(address, port)
            )
            break
        except OSError:
            continue
    else:
        raise OSError(
            f"no UDP port from {ports.start} to {ports.stop - 1} is free on {address}; "
            "widen udp_port_range: a session needs one port for each local address"
        )
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    host, port = transport.get_extra_info("sockname")[:2]
    protocol.local_candidate = Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )
    connection._protocols.append(protocol)
    return protocol
