"""Credentials for a TURN server that shares a secret with this one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from fastrtc_core import ConfigurationError, Stream, coturn_credentials
from fastrtc_core.webrtc.ice import for_aiortc, resolve

from .support import Silent

URL = "turn:turn.example.org:3478"


def test_the_credentials_that_coturn_reckons() -> None:
    """Until when, for whom, and the HMAC of both (draft-uberti-behave-turn-rest section 2.2)."""
    made = coturn_credentials("north", URL, user="ada", ttl=600, now=1_700_000_000.9)
    assert made["urls"] == [URL]
    assert made["username"] == "1700000600:ada"
    expected = hmac.new(b"north", b"1700000600:ada", hashlib.sha1).digest()
    assert base64.b64decode(made["credential"]) == expected
    assert coturn_credentials(b"north", [URL], user="ada", ttl=600, now=1_700_000_000.9) == made
    assert coturn_credentials("north", URL, ttl=1, now=9.0)["username"] == "10"


@pytest.mark.parametrize(
    "url",
    [
        "turn:turn.example.org",
        "turn:192.0.2.1:3478?transport=udp",
        "turn:[2001:db8::1]:3478?transport=tcp",
        "turns:turn.example.org:443?transport=tcp",
    ],
)
def test_urls_of_turn_servers(url: str) -> None:
    """Those of RFC 7065."""
    assert coturn_credentials("s", url)["urls"] == [url]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"secret": ""}, "secret"),
        ({"secret": None}, "secret"),
        ({"secret": 5}, "secret"),
        ({"urls": []}, "no TURN server"),
        ({"urls": ""}, "no URL"),
        ({"urls": "stun:stun.example.org"}, "no URL"),
        ({"urls": "turn://turn.example.org"}, "no URL"),
        ({"urls": "turn:turn.example.org:port"}, "no URL"),
        ({"urls": "turn:turn.example.org?transport=sctp"}, "no URL"),
        ({"urls": [URL, 5]}, "no URL"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": float("inf")}, "ttl"),
        ({"ttl": "600"}, "ttl"),
        ({"ttl": 1e10}, "2038"),
        ({"user": "a\nb"}, "user"),
        ({"user": "\ud800"}, "user"),
        ({"user": None}, "user"),
        ({"user": "x" * 500}, "user"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(arguments: dict[str, Any], words: str) -> None:
    """Which argument it is, and never the secret."""
    given: dict[str, Any] = {"secret": "north", "urls": URL, **arguments}
    secret, urls = given.pop("secret"), given.pop("urls")
    with pytest.raises(ConfigurationError, match=words) as raised:
        coturn_credentials(secret, urls, **given)
    assert "north" not in str(raised.value)


async def test_each_client_gets_its_own() -> None:
    """As one server, as a list, and as a dict; and aiortc reads them too."""
    clock = iter(range(1_000, 2_000))

    def fresh() -> dict[str, Any]:
        return coturn_credentials("s", URL, ttl=1, now=next(clock))

    sources: list[Any] = [fresh, lambda: [fresh()], lambda: {"iceServers": [fresh()]}]
    for source in sources:
        stream = Stream(Silent(), rtc_configuration=source)
        names = [
            (await stream.client_rtc_configuration())["iceServers"][0]["username"] for _ in "ab"
        ]
        assert int(names[1]) == int(names[0]) + 1
    assert for_aiortc(await resolve(fresh)).iceServers is not None
