"""How a connection finds its candidates: its sockets, and what STUN and TURN servers say.

aioice takes any port, or none where the process may open no more sockets, waits five seconds for
servers that are silent, says nothing of those that refuse, and leaves a relay open that is made
while the wait for it is given up. The shared port gathers nothing: its sockets are there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCPeerConnection

from ..sockets import EXHAUSTED
from .connection import ice_connections
from .ice_servers import IceServer, IceServers, ice_servers
from .relays import open_relay, reason_of

logger = logging.getLogger(__name__)

SOCKET_BUFFER = 1 << 20
"""Receive buffer of a media socket in bytes."""

PATIENCE = 1.5
"""How long in s the STUN servers, and the TURN servers, may take in all. An answer waits for it."""

_HIDDEN = {4: ("0.0.0.0", 9), 6: ("::", 9)}
"""A related address that tells nothing (RFC 8839 section 5.1)."""

Found = TypeVar("Found")


def gather_here(pc: RTCPeerConnection, ports: range | None) -> None:
    """Have a connection that has not gathered yet find its candidates as this module does.

    Idempotent.

    Args:
        pc: The connection.
        ports: UDP ports to use, or `None` for any.

    Raises:
        OSError: Out of `setLocalDescription`, if every port of the range is taken, if this process
            may open no more sockets, or if only relays may be used and there is none.
    """
    servers = ice_servers(pc)
    for connection in ice_connections(pc):
        connection.get_component_candidates = partial(  # type: ignore[method-assign]
            _gather, connection, servers, ports
        )
        if servers.turn:
            # A relay that is lost ends what goes over it as silence does: with the reason `lost`.
            connection.protocol_lost = _ignore  # type: ignore[method-assign]


def _ignore(protocol: StunProtocol) -> None:
    pass


async def _gather(
    connection: Connection,
    servers: IceServers,
    ports: range | None,
    component: int,
    addresses: list[str],
    timeout: int = 5,
) -> list[Candidate]:
    sockets = []
    for address in addresses:
        protocol = await _bind(connection, component, address, ports)
        if protocol is not None:
            sockets.append(protocol)
    candidates = [protocol.local_candidate for protocol in sockets]
    async with asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(_reflexive(protocol, servers.stun))
            for protocol in sockets
            if servers.stun and ":" not in protocol.local_candidate.host
        ]
        relaying = tasks.create_task(_relayed(connection, component, servers))
    found = [*(task.result() for task in asking), relaying.result()]
    candidates += [candidate for candidate in found if candidate is not None]
    if servers.relay_only and not candidates:
        raise ConnectionError(
            "only relays may be used (iceTransportPolicy), and no TURN server gives one; the log "
            "of this side says why"
        )
    return candidates


async def _reflexive(protocol: StunProtocol, servers: Sequence[IceServer]) -> Candidate | None:
    """What a STUN server says of an IPv4 socket."""

    async def ask(server: IceServer) -> Candidate:
        return (await server_reflexive_candidate(protocol, (server.host, server.port)))[0]

    return await _first(servers, ask, "the STUN server %s tells no address: %s")


async def _relayed(connection: Connection, component: int, servers: IceServers) -> Candidate | None:
    """The address of a new relay."""

    async def ask(server: IceServer) -> Candidate:
        protocol = StunProtocol(connection)
        await open_relay(server, protocol)
        _adopt(connection, protocol)
        host, port = protocol.transport.get_extra_info("sockname")
        related = protocol.transport.get_extra_info("related_address")
        if servers.relay_only:
            related = _HIDDEN[6 if ":" in host else 4]
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("relay", "udp", host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "relay"),
            host=host,
            port=port,
            type="relay",
            related_address=related[0],
            related_port=related[1],
        )
        return protocol.local_candidate

    return await _first(servers.turn, ask, "the TURN server %s gives no relay: %s")


async def _first(
    servers: Sequence[IceServer],
    ask: Callable[[IceServer], Awaitable[Found]],
    complaint: str,
) -> Found | None:
    """What the first server that answers says; each gets its share of the time that is left."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    for number, server in enumerate(servers):
        now = loop.time()
        share = (end - now) / (len(servers) - number)
        try:
            async with asyncio.timeout_at(now + share):
                return await ask(server)
        except Exception as error:  # whatever it answers is no fault of the offer
            logger.warning(complaint, server.url, reason_of(error))
    return None


def _adopt(connection: Connection, protocol: StunProtocol) -> None:
    """Have the connection close it; before anything is awaited, so that none is forgotten."""
    if connection._closing:
        protocol.transport.close()
        raise ConnectionError("the connection was closed while it looked for candidates")
    connection._protocols.append(protocol)


async def _bind(
    connection: Connection, component: int, address: str, ports: range | None
) -> StunProtocol | None:
    sock = _open(address, ports)
    if sock is None:
        return None
    try:
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: StunProtocol(connection), sock=sock
        )
    except BaseException:
        sock.close()
        raise
    _adopt(connection, protocol)
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
    return protocol


def _open(address: str, ports: range | None) -> socket.socket | None:
    """A socket on an address, or `None` where there can be none on it."""
    start = random.randrange(len(ports)) if ports else 0
    for port in itertools.chain(ports[start:], ports[:start]) if ports else [0]:
        sock = None
        try:
            sock = socket.socket(
                socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM
            )
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
            sock.bind((address, port))
            return sock
        except OSError as error:
            if sock is not None:
                sock.close()
            if error.errno in EXHAUSTED:
                raise
            if ports is None:
                logger.info("there is no socket on %s: %s", address, error)
    if ports is None:
        return None
    raise OSError(
        f"no UDP port from {ports.start} to {ports.stop - 1} is free on {address}; "
        "widen udp_port_range: a session needs one port for each local address"
    )
