"""Whether Twilio signed a request, as its own helper libraries find out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection
from urllib.parse import urlsplit, urlunsplit

_PORT = re.compile(r":\d*$")

_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def signature(token: str, url: str, fields: Collection[tuple[str, str]]) -> str:
    """The signature of a request, as Twilio makes it: HMAC-SHA1 of the URL and its fields.

    A field that comes several times counts once for each of its values.
    """
    text = url + "".join(key + value for key, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def is_signed(
    given: str,
    token: str,
    url: str,
    fields: Collection[tuple[str, str]],
    forwarded_port: str | None = None,
) -> bool:
    """Whether a signature fits a request.

    Twilio signs the URL that it calls, with or without the port; a proxy may add a port, remove it
    or tell of it.

    Args:
        given: The signature that came with it.
        token: The auth token of the account.
        url: As the server knows it.
        fields: Of the form.
        forwarded_port: The port that a proxy says it was reached at.
    """
    found = False
    for candidate in _variants(url, forwarded_port):
        expected = signature(token, candidate, fields)
        found |= hmac.compare_digest(given.encode(), expected.encode())
    return found


def _variants(url: str, forwarded_port: str | None) -> list[str]:
    """The same URL as it stands, without a port, and with those that it may have had."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a host that is none
        return [url]
    host = _PORT.sub("", parts.netloc)
    ports = [_DEFAULT_PORTS.get(parts.scheme)]
    if forwarded_port is not None:
        ports.append(forwarded_port)
    hosts = [host, *(f"{host}:{port}" for port in ports if port)]
    return [url, *(urlunsplit(parts._replace(netloc=each)) for each in hosts)]
