"""The session description (RFC 8866) of an audio stream in RTP, where only its address is known."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError

MULTICAST_TTL = 15
"""Routers that a multicast stream may pass, as AES67 recommends by default."""

_ENCODING = re.compile(r"([A-Za-z0-9-]+)/(\d+)(?:/(\d+))?")


class Address(NamedTuple):
    """Where a stream is received."""

    host: str
    port: int


def parse_address(url: str) -> Address:
    """Read `rtp://239.1.2.3:5004`.

    Raises:
        ConfigurationError: If it is nothing like that.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
        if host is None or port is None:
            raise ValueError
        return Address(str(ipaddress.ip_address(host)), port)
    except ValueError:
        raise ConfigurationError(
            f"{url!r} is no address to receive at; write it as rtp://239.1.2.3:5004, "
            "or rtp://0.0.0.0:5004 for packets that are sent to this machine"
        ) from None


def describe(address: Address, encoding: str, payload_type: int) -> str:
    """Write the description.

    Args:
        address: Where packets come to.
        encoding: As in `a=rtpmap`: name, clock rate and channels, such as `L24/48000/8`.
        payload_type: Of the packets.

    Raises:
        ConfigurationError: If the encoding or payload type cannot be meant.
    """
    match = _ENCODING.fullmatch(encoding)
    if match is None or not 0 <= payload_type <= 127:
        raise ConfigurationError(
            f"encoding={encoding!r} with payload_type={payload_type} is not understood; an "
            "encoding is written as L16/44100/2, L24/48000/8 or opus/48000/2"
        )
    ip = ipaddress.ip_address(address.host)
    kind = f"IP{ip.version}"
    # Only IPv4 has a time to live here (RFC 8866 section 5.7).
    suffix = f"/{MULTICAST_TTL}" if ip.is_multicast and ip.version == 4 else ""
    lines = [
        "v=0",
        f"o=- 0 0 IN {kind} {address.host}",
        "s=-",
        f"c=IN {kind} {address.host}{suffix}",
        "t=0 0",
        f"m=audio {address.port} RTP/AVP {payload_type}",
        f"a=rtpmap:{payload_type} {encoding}",
    ]
    return "\r\n".join(lines) + "\r\n"
