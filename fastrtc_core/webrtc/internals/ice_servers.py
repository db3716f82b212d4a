"""The STUN and TURN servers of a connection, read out of its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from aiortc import RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.rtcicetransport import parse_stun_turn_uri


class IceServer(NamedTuple):
    """One server.

    Attributes:
        url: As it was configured.
        host: Its name or address.
        port: Its port.
        transport: `udp` or `tcp`: how it is reached.
        tls: Whether it is reached over TLS.
        username: For TURN.
        credential: For TURN.
    """

    url: str
    host: str
    port: int
    transport: str = "udp"
    tls: bool = False
    username: str | None = None
    credential: str | None = None


class IceServers(NamedTuple):
    """What a connection is to ask.

    Attributes:
        stun: STUN servers, the preferred one first.
        turn: TURN servers, the preferred one first.
        relay_only: Whether nothing but relays may be used.
    """

    stun: list[IceServer]
    turn: list[IceServer]
    relay_only: bool


def ice_servers(pc: RTCPeerConnection) -> IceServers:
    """Those of a connection; aiortc itself would use the first of each kind."""
    private: Any = pc
    configuration = private._RTCPeerConnection__configuration
    servers = list(_read(configuration.iceServers or []))
    return IceServers(
        [server for scheme, server in servers if scheme == "stun"],
        [server for scheme, server in servers if scheme in ("turn", "turns")],
        configuration.iceTransportPolicy is RTCIceTransportPolicy.RELAY,
    )


def _read(servers: Any) -> Iterator[tuple[str, IceServer]]:
    for server in servers:
        for url in [server.urls] if isinstance(server.urls, str) else server.urls:
            read = parse_stun_turn_uri(url)
            transport, tls = read.get("transport", "udp"), read["scheme"] == "turns"
            # Neither TURN over DTLS nor what is no standard.
            if transport == "tcp" or (transport == "udp" and not tls):
                yield (
                    read["scheme"],
                    IceServer(
                        url,
                        read["host"],
                        read["port"],
                        transport,
                        tls,
                        server.username,
                        server.credential,
                    ),
                )
