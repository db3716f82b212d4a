"""Tokens: what they let in, what they refuse, and what they never tell."""

from __future__ import annotations

import base64
import json
import logging
import math
import string
import sys
import time
import warnings
from typing import Any

import jwt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, OfferError, TokenError
from fastrtc_core.channel.tokens import CLOCK_SKEW, ReplayGuard, build_token, check_token
from fastrtc_core.messaging.naming import MAX_UID
from fastrtc_core.room.grants import ALL_PERMISSIONS, Grant, Permission

from ..examples import tries

APP = "app-one"
CERTIFICATE = "a-certificate-that-nobody-may-see"
NOW = 1_700_000_000.0

quick = settings(deadline=None, max_examples=tries(100))

NAME_CHARACTERS = string.ascii_letters + string.digits + " !#$%&()+-:;<=.>?@[]^_{}|~,"


def looks_like_a_key(text: str) -> bool:
    """Whether PyJWT may take a text for a public key, and refuse it."""
    return text.startswith(("ssh-", "ecdsa-", "sk-")) or "-----" in text or "kty" in text


names = st.text(NAME_CHARACTERS, min_size=1, max_size=64)
uids = st.integers(0, MAX_UID)
certificates = st.text(min_size=16, max_size=80).filter(lambda text: not looks_like_a_key(text))


def build(**changes: Any) -> str:
    arguments: dict[str, Any] = {"channel": "room", "uid": 7, "ttl": 60.0, "now": NOW} | changes
    return build_token(APP, CERTIFICATE, **arguments)


def check(token: Any, **changes: Any) -> Grant:
    arguments: dict[str, Any] = {"appid": APP, "appcert": CERTIFICATE, "channel": "room", "uid": 7}
    return check_token(token, **({"now": NOW} | arguments | changes))


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, with changes; `None` takes one away."""
    good: dict[str, Any] = {
        "iss": APP,
        "channel": "room",
        "uid": 7,
        "permissions": ["subscribe"],
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "one",
    }
    return {key: value for key, value in (good | changes).items() if value is not None}


def signed(payload: dict[str, Any], key: str = CERTIFICATE, **options: Any) -> str:
    """A token of a backend that uses a library of its own."""
    return jwt.PyJWS().encode(json.dumps(payload).encode(), key, "HS256", **options)


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# What a good token gives


def test_a_token_grants_what_it_was_built_for() -> None:
    """The channel, the uid, the permissions and the end come back."""
    token = build(permissions={"subscribe", "publish_audio"})
    grant = check(token)
    assert grant[:4] == ("room", 7, frozenset({"subscribe", "publish_audio"}), NOW + 60)
    assert grant.id


def test_a_token_grants_everything_by_default() -> None:
    """Unless permissions are named."""
    assert check(build()).permissions == ALL_PERMISSIONS
    assert check(build(permissions=[])).permissions == frozenset()


def test_a_token_for_uid_0_is_for_anybody() -> None:
    """For those who ask for a uid, and those who want one issued."""
    token = build(uid=0)
    assert check(token, uid=5).uid == check(token, uid=0).uid == 0


def test_every_token_has_an_id_of_its_own() -> None:
    """So that a replay is told from a second token."""
    assert check(build()).id != check(build()).id


def test_by_default_the_clock_counts() -> None:
    """Where no time is given."""
    token = build_token(APP, CERTIFICATE, channel="room", uid=7, ttl=60)
    grant = check_token(token, APP, CERTIFICATE, channel="room", uid=7)
    assert grant.expires == pytest.approx(time.time() + 60, abs=5)


@given(
    appid=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    appcert=certificates,
    channel=names,
    uid=uids,
    ttl=st.floats(0.001, 1e9),
    permissions=st.frozensets(st.sampled_from(sorted(ALL_PERMISSIONS))),
)
@quick
def test_whatever_was_granted_comes_back(
    appid: str,
    appcert: str,
    channel: str,
    uid: int,
    ttl: float,
    permissions: frozenset[Permission],
) -> None:
    """For any app, certificate, channel, uid, time and permissions, until the end and no longer."""
    token = build_token(
        appid, appcert, channel=channel, uid=uid, ttl=ttl, permissions=permissions, now=NOW
    )
    grant = check_token(token, appid, appcert, channel=channel, uid=uid, now=NOW)
    assert grant[:4] == (channel, uid, permissions, NOW + ttl)
    with pytest.raises(TokenError, match="has expired"):
        check_token(token, appid, appcert, channel=channel, uid=uid, now=NOW + ttl)


def test_any_library_can_issue_and_read_tokens() -> None:
    """The certificate itself is the key, a short one too, and the claims are plain."""
    assert check(signed(claims())).id == "one"
    read = jwt.decode(build(), CERTIFICATE, algorithms=["HS256"], options={"verify_exp": False})
    assert (read["iss"], read["channel"], read["uid"]) == (APP, "room", 7)
    short = "sixteen letters."
    with warnings.catch_warnings(action="ignore"):  # newer PyJWT finds it too short
        token = signed(claims(), short)
    assert check(token, appcert=short).id == "one"


# What is refused


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"appcert": "another-certificate-of-somebody"}, "the signature of the token is wrong"),
        ({"now": NOW + 60}, "the token has expired"),
        ({"now": NOW - CLOCK_SKEW - 1}, "the token is not valid yet"),
        ({"appid": "app-two"}, "the token is for another app"),
        ({"channel": "Room"}, "the token is for another channel"),
        ({"uid": 8}, "the token is for another uid"),
        ({"uid": 0}, "the token is for another uid"),
    ],
)
def test_each_refusal_says_why(changes: dict[str, Any], text: str) -> None:
    """Wrong signature, expired, other app, other channel, other uid."""
    with pytest.raises(TokenError, match=text) as caught:
        check(build(), **changes)
    assert caught.value.http_status == 403
    assert caught.value.body()["meta"]["error"] == "token_refused"
    assert isinstance(caught.value, OfferError)


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        b"a.b.c",
        "",
        "a.b",
        "a.b.c.d",
        "a.b.c",
        " a.b.c",
        "é.b.c",
        "\ud800.b.c",
        "....",
        encoded({"alg": "HS256"}) + "." + encoded([1]) + "." + "A" * 43,
        encoded({"alg": ["HS256"]}) + ".e30.AAAA",
        encoded(b"[" * 2500) + ".e30.AAAA",
        encoded(b'"HS256"') + ".e30.AAAA",
        "a" * 5000 + ".b.c",
    ],
)
def test_what_is_no_token_is_refused(token: Any) -> None:
    """Whatever a client may send in its place."""
    with pytest.raises(TokenError):
        check(token)


def test_a_token_that_is_too_long_is_not_looked_at() -> None:
    """However good its signature is."""
    with pytest.raises(TokenError, match="longer than 4096 characters"):
        check(signed(claims(padding="x" * 4096)))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS384", "HS512", "RS256"])
def test_no_other_algorithm_is_taken(algorithm: str) -> None:
    """An unsigned token above all."""
    for signature in ("", "AAAA"):
        token = f"{encoded({'alg': algorithm})}.{encoded(claims())}.{signature}"
        with pytest.raises(TokenError, match="not signed with HS256"):
            check(token)


def test_a_signature_without_an_algorithm_is_refused() -> None:
    """A header must say what it was signed with."""
    _, payload, signature = signed(claims()).split(".")
    with pytest.raises(TokenError):
        check(f"{encoded({'typ': 'JWT'})}.{payload}.{signature}")


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, None) for name in claims()]
    + [
        ("iss", 1),
        ("channel", ["room"]),
        ("uid", "7"),
        ("uid", True),
        ("uid", 7.0),
        ("uid", -1),
        ("uid", MAX_UID + 1),
        ("permissions", "subscribe"),
        ("permissions", ["rule"]),
        ("permissions", [["subscribe"]]),
        ("permissions", {"subscribe": True}),
        ("jti", ""),
        ("jti", 5),
        ("jti", "x" * 129),
        ("exp", "tomorrow"),
        ("exp", True),
        ("exp", math.inf),
        ("exp", math.nan),
        ("exp", 10**400),
        ("iat", "today"),
        ("iat", math.nan),
        ("nbf", []),
    ],
)
def test_claims_that_cannot_be_meant_are_refused(name: str, value: Any) -> None:
    """Though the signature is right: issuers make mistakes."""
    with pytest.raises(TokenError, match="malformed"):
        check(signed(claims(**{name: value})))


def test_a_token_for_later_is_refused_until_then() -> None:
    """`nbf` counts, and what is not understood but critical refuses (RFC 7515 section 4.1.11)."""
    token = signed(claims(nbf=NOW + 100, exp=NOW + 500))
    with pytest.raises(TokenError, match="not valid yet"):
        check(token)
    assert check(token, now=NOW + 100)
    with pytest.raises(TokenError, match="malformed"):
        check(signed(claims(), headers={"crit": ["b64"], "b64": True}))
    with pytest.raises(TokenError, match="malformed"):
        check(signed(claims(), headers={"crit": ["new"], "new": True}))


ALPHABET = string.ascii_letters + string.digits + "-_"
TOKEN = build()


@given(place=st.integers(0, len(TOKEN) - 1), character=st.sampled_from(ALPHABET + ".=+/ "))
@quick
def test_no_character_can_be_changed(place: int, character: str) -> None:
    """Not one, in any part of a token."""
    tampered = TOKEN[:place] + character + TOKEN[place + 1 :]
    assume(tampered != TOKEN)
    with pytest.raises(TokenError):
        check(tampered)


@given(place=st.integers(0, len(TOKEN)), length=st.integers(0, 9), new=st.text(ALPHABET + ".="))
@quick
def test_nothing_can_be_cut_out_or_put_in(place: int, length: int, new: str) -> None:
    """Anywhere."""
    tampered = TOKEN[:place] + new + TOKEN[place + length :]
    assume(tampered != TOKEN)
    with pytest.raises(TokenError):
        check(tampered)


@given(part=st.integers(0, 2), other=st.builds(build, uid=uids, ttl=st.floats(1, 1e6)))
@quick
def test_parts_of_two_tokens_make_none(part: int, other: str) -> None:
    """A payload is not signed by the signature of another."""
    parts = TOKEN.split(".")
    parts[part] = other.split(".")[part]
    if part == 0:  # all headers are the same
        assert check(".".join(parts))
        return
    with pytest.raises(TokenError, match="signature"):
        check(".".join(parts))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: f"{encoded(raw)}.e30.AAAA"))
@quick
def test_garbage_is_refused_and_nothing_else_happens(token: str) -> None:
    """One kind of error for whatever a client sends."""
    with pytest.raises(TokenError):
        check(token)


# What cannot be asked for


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": ""},
        {"channel": "x" * 65},
        {"channel": "ü"},
        {"channel": "a\n"},
        {"channel": None},
        {"uid": -1},
        {"uid": 2**32},
        {"uid": True},
        {"uid": "7"},
        {"ttl": 0},
        {"ttl": -1.0},
        {"ttl": math.inf},
        {"ttl": math.nan},
        {"ttl": "60"},
        {"permissions": ["publish_audio", "rule"]},
        {"permissions": "subscribe"},
    ],
)
def test_a_token_for_nothing_is_not_built(changes: dict[str, Any]) -> None:
    """Channel, uid, time and permissions must be ones."""
    with pytest.raises(ConfigurationError):
        build(**changes)


@pytest.mark.parametrize("appcert", ["", "x" * 15, None, 16 * [1]])
def test_a_short_certificate_is_no_certificate(appcert: Any) -> None:
    """It could be guessed: neither to issue a token with, nor to check one."""
    with pytest.raises(ConfigurationError, match="appcert must be a text of 16 characters"):
        build_token(APP, appcert, channel="room", uid=7, ttl=60)
    with pytest.raises(ConfigurationError, match="appcert must be a text of 16 characters"):
        check(TOKEN, appcert=appcert)


def test_an_app_has_an_id() -> None:
    """An empty one would be that of every app without."""
    for appid in ("", None):
        with pytest.raises(ConfigurationError, match="appid"):
            build_token(appid, CERTIFICATE, channel="room", uid=7, ttl=60)  # type: ignore[arg-type]


PEM = "-----BEGIN PUBLIC KEY-----\nMFYwEAYHKoZIzj0CAQYF\n-----END PUBLIC KEY-----\n"


def test_a_public_key_is_no_certificate() -> None:
    """What everybody may know must not sign."""
    with pytest.raises(ConfigurationError, match="must be a random text"):
        build_token(APP, PEM, channel="room", uid=7, ttl=60)
    with pytest.raises(ConfigurationError, match="must be a random text"):
        check(TOKEN, appcert=PEM)


def test_without_the_extra_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command to type."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'fastrtc-core\[channel\]'"):
        build()
    with pytest.raises(ConfigurationError, match=r"pip install 'fastrtc-core\[channel\]'"):
        check(TOKEN)


# Secrets


def everything_of(error: BaseException | None) -> str:
    """All that a log or a reporter of errors could show of an error, and of what led to it."""
    text = ""
    while error is not None:
        text += f"{error} {error!r} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: check(TOKEN, appcert="shorter-secret!"),
        lambda: build_token(APP, "shorter-secret!", channel="room", uid=7, ttl=60),
        lambda: check(TOKEN, appcert=PEM),
        lambda: check(TOKEN, appcert="another-\ud800-certificate"),
        lambda: build_token(APP, CERTIFICATE, channel="§", uid=7, ttl=60),
        lambda: check(TOKEN, uid=9),
        lambda: check(TOKEN[:-2]),
        lambda: check(TOKEN + "x" * 4096),
        lambda: check(signed(claims(jti=5))),
        lambda: check(TOKEN, now=NOW + 99),
    ],
)
def test_no_error_and_no_log_holds_a_secret(attempt: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a certificate nor a token, nor a piece of them."""
    with caplog.at_level(logging.DEBUG):
        with pytest.raises((TokenError, ConfigurationError)) as caught:
            attempt()
    shown = everything_of(caught.value) + caplog.text
    for secret in (CERTIFICATE, "secret!", "another-", "MFYwEAYHKoZIzj0CAQYF"):
        assert secret not in shown
    for part in TOKEN.split("."):
        assert part[:20] not in shown


def test_a_grant_and_a_guard_show_no_secret() -> None:
    """They are logged sooner or later."""
    guard, grant = ReplayGuard(), check(TOKEN)
    assert guard.admit(grant, NOW)
    for text in (repr(grant), repr(guard)):
        assert CERTIFICATE not in text
        assert TOKEN.rsplit(".", 1)[1] not in text


# Replays


def grant_of(id: str, expires: float = NOW + 60) -> Grant:
    return Grant("room", 7, ALL_PERMISSIONS, expires, id)


def test_a_token_lets_in_once() -> None:
    """Who copied it comes too late."""
    guard = ReplayGuard()
    assert guard.admit(grant_of("a"), NOW)
    assert not guard.admit(grant_of("a"), NOW + 1)
    assert guard.admit(grant_of("b"), NOW + 1)


def test_a_token_that_has_expired_does_not_let_in() -> None:
    """Though it was never used."""
    assert not ReplayGuard().admit(grant_of("a"), NOW + 60)


def test_the_guard_forgets_what_has_expired() -> None:
    """Its memory holds no more than it needs."""
    guard = ReplayGuard()
    for index in range(50):
        assert guard.admit(grant_of(str(index)), NOW)
    assert len(guard) == 50
    assert guard.admit(grant_of("later", NOW + 100), NOW + 60)
    assert len(guard) == 1
    assert guard.dropped == 0


def test_a_full_guard_drops_the_oldest_and_counts_it() -> None:
    """Its memory is bounded; a guard for nothing is none."""
    guard = ReplayGuard(2)
    assert all(guard.admit(grant_of(id), NOW) for id in "abc")
    assert (len(guard), guard.dropped) == (2, 1)
    assert not guard.admit(grant_of("c"), NOW)
    assert guard.admit(grant_of("a"), NOW)
    with pytest.raises(ConfigurationError):
        ReplayGuard(0)


@given(
    uses=st.lists(st.tuples(st.integers(0, 9), st.floats(0, 5)), max_size=60),
    capacity=st.integers(1, 12),
)
@quick
def test_a_guard_admits_each_token_once(uses: list[tuple[int, float]], capacity: int) -> None:
    """Against a plain list of what was used; only a guard that had to drop some errs."""
    guard = ReplayGuard(capacity)
    used: set[int] = set()
    now = 0.0
    for token, wait in uses:
        now += wait
        expected = token not in used and now < token * 10
        if guard.dropped == 0:
            assert guard.admit(grant_of(str(token), token * 10.0), now) is expected
        else:
            assert guard.admit(grant_of(str(token), token * 10.0), now) >= expected
        used.add(token) if expected else None
        assert len(guard) <= capacity
