"""Which pages may talk to a server, and under which names."""

from __future__ import annotations

from typing import Any

import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.errors import OriginError
from fastrtc_core.origins import OriginRule, cors_headers

LOOPBACK = ("127.0.0.1", 7860)
PRIVATE = ("10.1.2.3", 7860)
PUBLIC = ("93.184.216.34", 7860)
UNIX = ("/run/app.sock", None)


def admits(
    host: str,
    origin: str | None = None,
    server: Any = LOOPBACK,
    *,
    origins: list[str] | None = None,
    allowed_hosts: list[str] | None = None,
    **more: str,
) -> bool:
    """Whether a request with these headers is served."""
    headers = {"host": host, **{key.replace("_", "-"): value for key, value in more.items()}}
    if origin is not None:
        headers["origin"] = origin
    try:
        OriginRule(origins, allowed_hosts).check(headers, server)
    except OriginError:
        return False
    return True


def test_what_is_no_browser_is_served() -> None:
    """It sends no `Origin`, whatever it calls the server."""
    for host in ("localhost:7860", "evil.example", "", "not a host:::"):
        assert admits(host)


def test_a_page_of_the_server_is_served() -> None:
    """Host and port are compared, default ports and capitals allowed for."""
    assert admits("localhost:7860", "http://localhost:7860")
    assert admits("voice.example", "https://voice.example")
    assert admits("voice.example:443", "https://voice.example")
    assert admits("Voice.Example", "https://voice.example")
    assert admits("[::1]:7860", "http://[::1]:7860")
    for origin in ("http://localhost:7861", "http://127.0.0.1:7860", "null", "http://[", "file://"):
        assert not admits("localhost:7860", origin)
    assert not admits("", "null")


def test_a_proxy_may_have_changed_the_host() -> None:
    """The browser says that it is the page's own server; or the proxy says what that is."""
    page = "https://voice.example"
    assert not admits("127.0.0.1:8000", page)
    assert admits("127.0.0.1:8000", page, sec_fetch_site="same-origin")
    assert not admits("127.0.0.1:8000", page, sec_fetch_site="same-site")
    assert not admits("127.0.0.1:8000", page, sec_fetch_site="cross-site")
    assert admits("127.0.0.1:8000", page, x_forwarded_host="voice.example")
    assert admits("127.0.0.1:8000", page, x_forwarded_host="voice.example, inner")
    assert not admits("127.0.0.1:8000", page, x_forwarded_host="other.example")


def test_other_pages_need_the_option() -> None:
    """And those of the server need none beside it."""
    origins = ["https://app.example", "https://Other.example:8443/"]
    for origin in ("https://app.example", "https://other.example:8443", "http://localhost:7860"):
        assert admits("localhost:7860", origin, origins=origins)
    for origin in ("http://app.example", "https://app.example:444", "https://app.example.evil"):
        assert not admits("localhost:7860", origin, origins=origins)
    assert admits("localhost:7860", "https://evil.example", origins=["*"])
    assert admits("localhost:7860", "null", origins=["null"])


@pytest.mark.parametrize("server", [LOOPBACK, PRIVATE, UNIX, None])
def test_a_name_that_was_made_to_lead_here_is_refused(server: Any) -> None:
    """DNS rebinding: a page of `evil.example` whose name now resolves to a private address."""
    assert not admits("evil.example:7860", "http://evil.example:7860", server)
    assert not admits(
        "evil.example:7860",
        "http://evil.example:7860",
        server,
        x_forwarded_host="evil.example:7860",
    )
    # Nobody can have a certificate for a name that is not theirs: this is a proxy with TLS.
    assert admits("voice.example", "https://voice.example", server)
    for name in (
        "localhost",
        "app.localhost",
        "robot.local",
        "nas",
        "db.internal",
        "nas.home.arpa",
        "192.168.1.7",
        "[fd00::7]",
    ):
        assert admits(f"{name}:7860", f"http://{name}:7860", server), name
    assert admits(
        "robot.example:7860", "http://robot.example:7860", server, allowed_hosts=["robot.example"]
    )
    assert admits("x.example", "http://x.example", server, origins=["http://x.example"])


def test_a_public_address_can_be_asked_without_tricks() -> None:
    """So its name does not matter."""
    assert admits("voice.example:7860", "http://voice.example:7860", PUBLIC)


def test_names_that_are_given_hold_for_every_request() -> None:
    """That of no browser included; addresses and local names stay."""
    allowed = ["voice.example", "*.Example.org"]
    for host in ("voice.example", "VOICE.example:80", "a.example.org", "localhost", "10.0.0.1:80"):
        assert admits(host, allowed_hosts=allowed), host
    for host in ("evil.example", "voice.example.evil", "example.org", "x[y.z"):
        assert not admits(host, allowed_hosts=allowed), host
    assert admits("any.example", "http://any.example", allowed_hosts=["*"])
    assert not admits("any.example", "http://other.example", allowed_hosts=["*"])


def test_the_refusal_says_what_was_expected() -> None:
    """Short enough for the reason of a close frame, for hosts and origins of usual length."""
    with pytest.raises(OriginError) as refused:
        OriginRule().check({"host": "127.0.0.1:8000", "origin": "https://voice.example"})
    text = str(refused.value)
    assert "127.0.0.1:8000" in text
    assert "https://voice.example" in text
    assert "Host" in text
    assert len(text) <= 123
    assert refused.value.body()["meta"]["error"] == "origin_refused"


def test_what_is_no_origin_or_name_is_refused_at_once() -> None:
    """Where it is written, and not at the first request."""
    for origin in ("example.org", "https://example.org/page", "https://", ""):
        with pytest.raises(ConfigurationError, match="origins"):
            OriginRule([origin])
    for host in ("https://example.org", "example.org:80", "a/b", "a.*.org", ""):
        with pytest.raises(ConfigurationError, match="allowed_hosts"):
            OriginRule(None, [host])
    for arguments in (("https://example.org",), (None, "example.org")):
        with pytest.raises(ConfigurationError, match="list"):
            OriginRule(*arguments)


def test_only_named_origins_may_read_answers() -> None:
    """With cookies, so never a bare `*`."""
    rule = OriginRule(["https://app.example"])
    headers = cors_headers(rule, "https://app.example")
    assert headers["access-control-allow-origin"] == "https://app.example"
    assert cors_headers(rule, "https://evil.example") == {}
    assert cors_headers(rule, None) == {}


def test_a_page_that_only_everybody_names_gets_no_cookies() -> None:
    """`*` is for those who need no cookie to be let in."""
    rule = OriginRule(["*", "https://app.example"])
    credentials = "access-control-allow-credentials"
    assert cors_headers(rule, "https://app.example")[credentials] == "true"
    other = cors_headers(rule, "https://other.example")
    assert other["access-control-allow-origin"] == "https://other.example"
    assert credentials not in other
