"""Tokens: who may join which channel, as whom, what for, and until when.

A token is a JSON Web Token (RFC 7519) that is signed with the certificate of the app (HS256), so a
backend in any language can issue one. Its claims are `iss` (the id of the app), `channel`, `uid`
(0: any), `permissions` (a list), `name` (if others are to see that one), and `iat`, `exp` and
`jti` as in the RFC.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from types import ModuleType
from typing import Any, TypeGuard

from ..errors import ConfigurationError, TokenError
from ..messaging.naming import MAX_NAME, MAX_UID, check_channel_name, check_uid, is_unicode
from ..room.grants import ALL_PERMISSIONS, MAX_TOKEN_ID, Grant, Permission

MAX_TOKEN = 4096
"""Longest token that is looked at, in characters."""

MIN_CERTIFICATE = 16
"""Shortest certificate, in characters. RFC 7518 section 3.2 asks for 32 bytes: make it as long."""

CLOCK_SKEW = 60.0
"""How far in s the clock of who issued a token may be ahead of ours."""

SWEEP_INTERVAL = 1.0
"""How often in s a `ReplayGuard` drops what has expired."""

_ALGORITHM = "HS256"
_SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


def build_token(
    appid: str,
    appcert: str,
    *,
    channel: str,
    uid: int,
    ttl: float,
    permissions: Iterable[Permission] = ALL_PERMISSIONS,
    name: str = "",
    now: float | None = None,
) -> str:
    """Issue a token.

    Args:
        appid: Id of the app.
        appcert: Its certificate, which only the servers of the app may know.
        channel: The channel that it is for.
        uid: The user that it is for; 0 for any.
        ttl: How long it is good for, in s. Whoever it has let in must leave then, or renew it.
        permissions: What that user may do.
        name: What the others see, whatever the user calls itself; by default as it likes.
        now: The time, as Unix time in s; by default that of the clock.

    Raises:
        ConfigurationError: If an argument is invalid, or the extra `channel` is missing.
    """
    jwt = _import_jwt()
    key = _key(appid, appcert)
    check_channel_name(channel)
    check_uid(uid)
    if not _is_number(ttl) or ttl <= 0:
        raise ConfigurationError(f"ttl must be a time in s above 0, not {ttl!r}")
    granted = frozenset(permissions)
    if unknown := granted - ALL_PERMISSIONS:
        raise ConfigurationError(
            f"unknown permissions {', '.join(sorted(map(repr, unknown)))}; known are "
            + ", ".join(sorted(ALL_PERMISSIONS))
        )
    issued = time.time() if now is None else now
    claims: dict[str, Any] = {
        "iss": appid,
        "channel": channel,
        "uid": uid,
        "permissions": sorted(granted),
        "iat": issued,
        "exp": issued + ttl,
        "jti": secrets.token_urlsafe(16),
    }
    if not _is_name(name):
        raise ConfigurationError(f"name must be Unicode text of {MAX_NAME} characters at most")
    if name:
        claims["name"] = name
    try:
        return str(jwt.encode(claims, key, algorithm=_ALGORITHM))
    except jwt.InvalidKeyError:
        raise _wrong_key() from None


def check_token(
    token: str, appid: str, appcert: str, *, channel: str, uid: int, now: float | None = None
) -> Grant:
    """Find out what a token allows.

    Nothing that it claims is looked at before its signature was found to be right.

    Args:
        token: What the participant sent.
        appid: Id of the app.
        appcert: Its certificate.
        channel: The channel that the participant asks for.
        uid: The user that it says it is. A token for one user does not serve to join as 0.
        now: The time, as Unix time in s; by default that of the clock.

    Raises:
        TokenError: If it does not let this user into this channel now; the text says why, and holds
            nothing of the token.
        ConfigurationError: If the app cannot have tokens, or the extra `channel` is missing.
    """
    claims = _verified_claims(token, _key(appid, appcert))
    issuer, granted_channel, granted_uid = (claims.get(k) for k in ("iss", "channel", "uid"))
    permissions, identity, expires = (claims.get(k) for k in ("permissions", "jti", "exp"))
    name = claims.get("name", "")
    # Times of which the RFC says: not before.
    beginnings = [claims["iat"], claims.get("nbf", 0)]
    if not (
        isinstance(issuer, str)
        and isinstance(granted_channel, str)
        and type(granted_uid) is int
        and 0 <= granted_uid <= MAX_UID
        and isinstance(permissions, list)
        and all(isinstance(permission, str) for permission in permissions)
        and ALL_PERMISSIONS.issuperset(permissions)
        and isinstance(identity, str)
        and 0 < len(identity) <= MAX_TOKEN_ID
        and _is_number(expires)
        and all(map(_is_number, beginnings))
        and _is_name(name)
    ):
        raise TokenError("the token is malformed: its claims are not those of a channel token")
    now = time.time() if now is None else now
    if issuer != appid:
        raise TokenError("the token is for another app")
    if expires <= now:
        raise TokenError("the token has expired")
    if max(beginnings) > now + CLOCK_SKEW:
        raise TokenError("the token is not valid yet; compare the clocks of the servers")
    if granted_channel != channel:
        raise TokenError("the token is for another channel")
    if granted_uid not in (0, uid):
        raise TokenError("the token is for another uid")
    return Grant(
        granted_channel, granted_uid, frozenset(permissions), float(expires), identity, name
    )


def identify_token(token: str, appid: str, appcert: str) -> tuple[str, float]:
    """The id of a token, and when it expires as Unix time in s; whatever it allows.

    Raises:
        TokenError: If it is none of this app.
    """
    claims = _verified_claims(token, _key(appid, appcert))
    identity, expires = claims["jti"], claims["exp"]
    if claims.get("iss") != appid:
        raise TokenError("the token is for another app")
    if not (isinstance(identity, str) and 0 < len(identity) <= MAX_TOKEN_ID):
        raise TokenError("the token is malformed: its id is none")
    if not _is_number(expires):
        raise TokenError("the token is malformed: its claims are not those of a channel token")
    return identity, float(expires)


class ReplayGuard:
    """Remembers the tokens that were used, so that each lets in once.

    Args:
        capacity: How many it remembers at most; beyond it the oldest is dropped, and could be used
            again until it expires.

    Attributes:
        dropped: How many were dropped before they expired.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ConfigurationError("a replay guard must remember at least one token")
        self.dropped = 0
        self._capacity = capacity
        self._used: dict[str, float] = {}
        self._next_sweep = 0.0

    def __contains__(self, id: str) -> bool:
        """Whether a token of this id was used."""
        return id in self._used

    def __len__(self) -> int:
        """How many tokens it remembers."""
        return len(self._used)

    def admit(self, grant: Grant, now: float) -> bool:
        """Whether the token of this grant may still be used; from then on it may not.

        Args:
            grant: What `check_token` returned.
            now: The time, as Unix time in s.
        """
        if grant.expires <= now or grant.id in self._used:
            return False
        # To look at all of them takes a while: not at every call, however many expire.
        if now >= self._next_sweep:
            self._used = {id: expires for id, expires in self._used.items() if expires > now}
            self._next_sweep = now + SWEEP_INTERVAL
        if len(self._used) >= self._capacity:
            self.dropped += self._used.pop(next(iter(self._used))) > now
        self._used[grant.id] = grant.expires
        return True


def _verified_claims(token: Any, key: bytes) -> dict[str, Any]:
    jwt = _import_jwt()
    if isinstance(token, str) and len(token) > MAX_TOKEN:
        raise TokenError(f"the token is malformed: it is longer than {MAX_TOKEN} characters")
    if not isinstance(token, str) or not _SHAPE.fullmatch(token):
        raise TokenError("the token is malformed: it is not a JSON Web Token")
    # We look at the times ourselves, by the clock that we are given.
    unchecked = dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_aud"), False)
    try:
        decoded: dict[str, Any] = jwt.PyJWT().decode_complete(
            token,
            key,
            algorithms=[_ALGORITHM],
            options={"require": ["exp", "iat", "jti"], **unchecked},
        )
    except jwt.InvalidKeyError:
        raise _wrong_key() from None
    except jwt.InvalidAlgorithmError:
        raise TokenError(f"the token is not signed with {_ALGORITHM}") from None
    except jwt.InvalidSignatureError:
        raise TokenError("the signature of the token is wrong") from None
    except jwt.MissingRequiredClaimError as error:
        raise TokenError(f"the token is malformed: it has no {error.claim}") from None
    # What its header may hold is anybody's: a name of an algorithm that is none, lists in lists.
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenError("the token is malformed: it cannot be read") from None
    # RFC 7515 section 4.1.11: who does not understand these must refuse; old PyJWT passes them.
    if "crit" in decoded["header"]:
        raise TokenError("the token is malformed: its header asks for what is not understood")
    claims: dict[str, Any] = decoded["payload"]
    return claims


def _key(appid: Any, appcert: Any) -> bytes:
    if not isinstance(appid, str) or not appid:
        raise ConfigurationError("appid must be a text that is not empty")
    if not isinstance(appcert, str) or len(appcert) < MIN_CERTIFICATE:
        raise ConfigurationError(f"appcert must be a text of {MIN_CERTIFICATE} characters or more")
    # HMAC itself fills short keys up with zeros (RFC 2104 section 2): these change no signature,
    # they keep PyJWT from a warning per token. And an error of encoding would hold the secret.
    return appcert.encode(errors="surrogatepass").ljust(32, b"\0")


def _wrong_key() -> ConfigurationError:
    return ConfigurationError(
        "appcert is a key pair, an X.509 certificate or a JSON Web Key; it must be a random text"
    )


def _is_name(value: Any) -> TypeGuard[str]:
    return is_unicode(value) and len(value) <= MAX_NAME


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a time in s: neither endless nor NaN, which is not below anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _import_jwt() -> ModuleType:
    try:
        import jwt
    except ModuleNotFoundError:
        raise ConfigurationError(
            "the tokens of channels need PyJWT, which is not installed; install it with "
            "`pip install 'fastrtc-core[channel]'`"
        ) from None
    return jwt
