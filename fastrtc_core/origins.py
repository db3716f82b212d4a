"""Which pages may talk to this server, and under which names: one rule for all routes.

A browser lets any page send requests to any server and open sockets to it (RFC 6455 section 10.2),
and says in headers that no page can forge where they come from. Other clients send none of these,
and are no danger to somebody who is logged in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigurationError, OriginError

LOCAL_NAMES = ("localhost", "local", "internal", "test", "home.arpa")
"""Ends of names that nobody can register (RFC 6761, 6762, 8375, and ICANN on `.internal`)."""

_PORTS = {"http": 80, "https": 443}

_PATTERN = re.compile(r"\*|(\*\.)?[^*/:\[\]\s]+|\[?[0-9A-Fa-f:.]+\]?")


class OriginRule:
    """Decides which requests are taken.

    Args:
        origins: Further origins of pages that may connect, such as `https://example.org`, or `*`
            for all. Those of the server's own origin always may.
        allowed_hosts: The names of this server, such as `example.org` or `*.example.org`, or `*`
            for any. With it, requests to other names are refused, but for IP addresses and local
            names.

    Raises:
        ConfigurationError: If one of them is no origin, or no name.
    """

    def __init__(
        self, origins: Sequence[str] | None = None, allowed_hosts: Sequence[str] | None = None
    ) -> None:
        _refuse_text("origins", origins)
        _refuse_text("allowed_hosts", allowed_hosts)
        self._any_origin = "*" in (origins or ())
        self._origins = {_origin(text) for text in origins or () if text != "*"}
        for pattern in allowed_hosts or ():
            if not _PATTERN.fullmatch(pattern):
                raise ConfigurationError(
                    f"allowed_hosts takes names such as 'example.org' or '*.example.org', "
                    f"without scheme and port, not {pattern!r}"
                )
        self._hosts = None if allowed_hosts is None else [h.lower() for h in allowed_hosts]

    def check(self, headers: Mapping[str, str], server: Any = None) -> None:
        """Find out whether a request may be served.

        Args:
            headers: Its headers, their names in small letters.
            server: The address that it came to, `(host, port)`; the `server` of its ASGI scope.

        Raises:
            OriginError: If it may not; the text says what was expected.
        """
        host = headers.get("host", "")
        if self._hosts is not None and not self._is_named(_hostname(host)):
            raise OriginError(f"This server is not called {host[:60]!r} (see `allowed_hosts`)")
        origin = headers.get("origin")
        if origin is None or self.names(origin):
            return
        # Only said to hosts with https or on this machine, under no name that leads astray.
        if headers.get("sec-fetch-site") == "same-origin":
            return
        # What a proxy was asked for; a page of another origin cannot set it without a preflight.
        forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip()
        if not _is_page_of(origin, host) and not _is_page_of(origin, forwarded):
            raise OriginError(
                f"Expected a page of {host[:40]}, not of {origin[:40]} (see `origins`; "
                "a proxy must pass on Host)"
            )
        if self._hosts is None and _may_lead_astray(origin, server):
            raise OriginError(f"This server may not be called {host[:60]!r} (see `allowed_hosts`)")

    def names(self, origin: str) -> bool:
        """Whether `origins` names it, or all."""
        return self._any_origin or self.trusts(origin)

    def trusts(self, origin: str) -> bool:
        """Whether `origins` names it itself."""
        return origin.lower() in self._origins

    def _is_named(self, name: str) -> bool:
        assert self._hosts is not None
        if _is_local(name):
            return True
        return any(
            pattern in ("*", name) or (pattern[:2] == "*." and name.endswith(pattern[1:]))
            for pattern in self._hosts
        )


def cors_headers(rule: OriginRule, origin: str | None) -> dict[str, str]:
    """The headers that let a page of another origin read an answer (the Fetch standard).

    Cookies may come with its request only where `origins` names it: `*` is no trust.
    """
    if origin is None or not rule.names(origin):
        return {}
    headers = {"access-control-allow-origin": origin, "vary": "Origin"}
    if rule.trusts(origin):
        headers["access-control-allow-credentials"] = "true"
    return headers


def is_loopback_or_private(address: str) -> bool:
    """Whether an address is of this machine or a private network; `True` if it is none at all."""
    try:
        return not ipaddress.ip_address(address.split("%")[0]).is_global
    except ValueError:
        return True  # a Unix socket


def _may_lead_astray(origin: str, server: Any) -> bool:
    """Whether a page may come from elsewhere, by a name that was made to lead to this machine.

    DNS rebinding: `evil.example` resolves to `127.0.0.1` once its page is loaded, and the page then
    is of the same origin as this server. With https that cannot be done, for want of a certificate,
    nor with an address or a name that nobody can register; and a public address can be asked
    without such tricks.
    """
    parts = urlsplit(origin)
    if parts.scheme == "https" or _is_local(parts.hostname or ""):
        return False
    return not server or is_loopback_or_private(str(server[0]))


def _is_page_of(origin: str, host: str) -> bool:
    """Whether a page was loaded from this host and port."""
    try:
        page = urlsplit(origin)
        default = _PORTS.get(page.scheme)
        asked = urlsplit(f"//{host}")
        return bool(page.hostname) and (page.hostname, page.port or default) == (
            asked.hostname,
            asked.port or default,
        )
    except ValueError:  # it is no URL
        return False


def _is_local(name: str) -> bool:
    if "." not in name.rstrip("."):
        return True  # a bare name, or an IPv6 address
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return name.rstrip(".").endswith(tuple(f".{end}" for end in LOCAL_NAMES))


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return "?.?"  # no name at all, and none of this machine


def _origin(text: str) -> str:
    if text == "null":  # of a file, or of a sandboxed frame
        return text
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc or parts.path.strip("/"):
        raise ConfigurationError(
            f"origins takes origins such as 'https://example.org', '*' for all, not {text!r}"
        )
    return f"{parts.scheme}://{parts.netloc}".lower()


def _refuse_text(name: str, value: Sequence[str] | None) -> None:
    if isinstance(value, str):
        raise ConfigurationError(f"{name} takes a list of texts: [{value!r}]")
