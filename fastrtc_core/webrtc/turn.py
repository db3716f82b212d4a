"""Credentials for a TURN server of one's own."""

from __future__ import annotations

import base64
import hmac
import math
import re
import time
from collections.abc import Sequence
from typing import Any

from ..errors import ConfigurationError

MAX_USERNAME = 508
"""Bytes of a user name of STUN (RFC 8489 section 14.3)."""

LATEST = (1 << 31) - 1
"""The last expiry that coturn reads, in s since 1970."""

_TURN_URL = re.compile(
    r"turns?:(\[[0-9a-fA-F:.]+\]|[^?:\[\]/@\s]+)(:[0-9]{1,5})?(\?transport=(udp|tcp))?"
)
"""RFC 7065 section 3.1."""


def coturn_credentials(
    secret: str | bytes,
    urls: str | Sequence[str],
    *,
    user: str = "",
    ttl: float = 3600.0,
    now: float | None = None,
) -> dict[str, Any]:
    """Credentials that expire, for a TURN server that shares a secret with this one.

    Coturn takes them with `use-auth-secret` and the secret as `static-auth-secret`; others do too,
    by "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest). Hand a function
    that calls this to `rtc_configuration`, and each client gets its own:

        Stream(handler, rtc_configuration=lambda: [coturn_credentials(SECRET, URLS)])

    Args:
        secret: What the two servers share.
        urls: The URLs of the TURN server, the preferred one first: `turn:turn.example.org`,
            `turn:turn.example.org:3478?transport=tcp`, `turns:turn.example.org:443?transport=tcp`.
        user: Whose they are, for the log of the TURN server.
        ttl: For how long in s an allocation can be made with them. Coturn lets one that stands go
            on for as long as it is renewed.
        now: The time in s since 1970; that of this machine by default.

    Returns:
        One of the `iceServers` of an `RTCConfiguration`, with `urls`, `username` and `credential`.

    Raises:
        ConfigurationError: If an argument makes no sense; the text says which, and never the
            secret.
    """
    given: dict[str, Any] = {"secret": secret, "ttl": ttl, "user": user}  # of whatever type
    key = secret.encode() if isinstance(secret, str) else given["secret"]
    if not isinstance(key, bytes) or not key:
        raise ConfigurationError("secret is the text of static-auth-secret, and not empty")
    listed: list[Any] = [urls] if isinstance(urls, str) else list(urls)
    if not listed:
        raise ConfigurationError("urls names no TURN server")
    for url in listed:
        if not isinstance(url, str) or not _TURN_URL.fullmatch(url):
            raise ConfigurationError(
                f"{url!r} is no URL of a TURN server: write turn:host, turn:host:port, "
                "turn:host:port?transport=tcp, or turns:host:port?transport=tcp"
            )
    if not isinstance(given["ttl"], int | float) or not math.isfinite(ttl) or ttl <= 0:
        raise ConfigurationError("ttl is a positive number of seconds")
    expiry = math.floor((time.time() if now is None else now) + ttl)
    if not 0 < expiry <= LATEST:
        raise ConfigurationError("ttl is too long: coturn reads times until 2038")
    if not isinstance(given["user"], str) or not user.isprintable():
        raise ConfigurationError("user is a text without control characters")
    username = f"{expiry}:{user}" if user else str(expiry)
    if len(username.encode()) > MAX_USERNAME:
        raise ConfigurationError(f"user is too long: a user name has up to {MAX_USERNAME} bytes")
    digest = hmac.digest(key, username.encode(), "sha1")
    return {
        "urls": listed,
        "username": username,
        "credential": base64.b64encode(digest).decode(),
    }
