"""Which addresses that a client names as its candidates the server sends checks to.

A check is a small packet to an address that anybody may write into an offer, so it must not go to
what only this server can reach: itself, the metadata service of its cloud, the network behind it.
Nothing is lost by that. A client reveals its address by its own checks, which carry a password
(RFC 8445 section 7.3.1.3), and is then answered there, wherever it is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Literal, TypeAlias

from ..errors import ConfigurationError
from .internals import MayCheck

FIRST_PORT = 1024
"""Ports below this belong to services (RFC 6335 section 6); no client has its media there."""

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Kind: TypeAlias = Literal["unusable", "loopback", "link-local", "private", "public"]


def allow_candidate(host: str, port: int, own: Sequence[str]) -> bool:
    """Whether a candidate may be checked, where nothing else is configured.

    Public addresses may. Loopback and link-local addresses may if this side has such an address
    itself, and private ones if it has one and no public one (of the same IP version). Multicast,
    broadcast, unspecified and reserved addresses and ports below 1024 may not.

    Args:
        host: The IP address; a name is refused.
        port: The UDP port.
        own: The addresses of this side.
    """
    address = _parse(host)
    if address is None or not FIRST_PORT <= port <= 65535:
        return False
    kind = _kind(address)
    if kind in ("unusable", "public"):
        return kind == "public"
    kinds = {
        _kind(mine)
        for mine in (_parse(text) for text in own)
        if mine is not None and mine.version == address.version
    }
    return kind in kinds and not (kind == "private" and "public" in kinds)


def candidate_filter(
    networks: Sequence[str] | None, advertised_address: str | None = None
) -> MayCheck:
    """The filter for a server.

    Args:
        networks: The networks whose addresses may be checked, such as `["10.0.0.0/8"]`; `None` for
            the rule of `allow_candidate`.
        advertised_address: Under which clients reach this server, if that is another address than
            its own.

    Raises:
        ConfigurationError: If a network cannot be read.
    """
    if networks is None:
        advertised = [] if advertised_address is None else [advertised_address]
        return lambda host, port, own: allow_candidate(host, port, [*own, *advertised])
    if isinstance(networks, str):
        raise ConfigurationError(
            "allowed_candidates is a list of networks, such as ['10.0.0.0/8', '2001:db8::/32']"
        )
    try:
        allowed = [ipaddress.ip_network(network) for network in networks]
    except ValueError as error:
        raise ConfigurationError(f"allowed_candidates: {error}") from None

    def allow(host: str, port: int, own: Sequence[str]) -> bool:
        address = _parse(host)
        return (
            address is not None
            and FIRST_PORT <= port <= 65535
            and _kind(address) != "unusable"
            and any(address in network for network in allowed)
        )

    return allow


def _parse(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _kind(address: _Address) -> _Kind:
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if (
        address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address in _THIS_NETWORK
    ):
        return "unusable"
    return "public" if address.is_global else "private"


_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
"""Addresses of no other host (RFC 1122 section 3.2.1.3)."""
