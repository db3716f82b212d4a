"""The sessions that have a URL of their own: what may be asked there, and what is answered.

Requests and replies are plain values, so that they can come from another process.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import (
    MalformedCandidateError,
    NoIceRestartError,
    OfferError,
    UnknownSessionError,
)
from ..registry import Registry
from ..session import CloseReason
from ..webrtc.connectivity.paths import Credentials
from . import fragments
from .bodies import TrickledCandidate
from .trickling import Trickling

RETRY_AFTER = {429: "5", 503: "5"}
"""After how many s a client may ask again that was refused for want of room."""

EXPOSED = {"access-control-expose-headers": "ETag, Link, Location"}
"""What a page of another origin may read of an answer (the Fetch standard)."""

RESTARTS = ("*", '"*"')
"""`If-Match` of a request that restarts ICE; RFC 9725 section 4.3.3 writes it in both ways."""


class _GoneError(OfferError):
    code = "unknown_session"
    http_status = 404


class _OutdatedError(OfferError):
    code = "outdated"
    http_status = 412


class _NoMatchError(OfferError):
    code = "if_match_missing"
    http_status = 428


class Asked(NamedTuple):
    """A request to the URL of a session.

    Attributes:
        method: `PATCH` or `DELETE`.
        key: The end of the URL.
        match: Its `If-Match`.
        text: Its body.
    """

    method: str
    key: str
    match: str | None = None
    text: str = ""

    @property
    def id(self) -> str:
        """The id of the session, if there is one."""
        return self.key.partition(".")[0]


class Reply(NamedTuple):
    """The response to it."""

    status: int
    headers: dict[str, str] = {}  # noqa: RUF012
    text: str = ""
    media_type: str | None = None


Take = Callable[[Asked], Awaitable[Reply]]
"""Serves a request."""


def _new_etag() -> str:
    return f'"{secrets.token_hex(8)}"'


@dataclass
class Resource:
    """A session that has a URL of its own.

    Attributes:
        id: Of the session.
        key: The end of its URL: the id, and what nobody guesses. Whoever knows it may end the
            session.
        etag: Of its ICE session; a restart begins another one.
    """

    id: str
    key: str = ""
    etag: str = field(default_factory=_new_etag)

    def __post_init__(self) -> None:
        self.key = f"{self.id}.{secrets.token_urlsafe(16)}"


class Resources:
    """The sessions of a stream that were opened so.

    Args:
        registry: All sessions.
        trickling: Takes their candidates.
    """

    def __init__(self, registry: Registry, trickling: Trickling) -> None:
        self._registry = registry
        self._trickling = trickling
        self._resources: dict[str, Resource] = {}

    def add(self, id: str) -> Resource:
        """Give a session its URL."""
        # Nobody tells when a session ends, so what is over goes when the next begins.
        for ended in [one for one in self._resources.values() if one.id not in self._registry]:
            del self._resources[ended.key]
        resource = Resource(id)
        self._resources[resource.key] = resource
        return resource

    def get(self, key: str) -> Resource:
        """The session at this URL; raises `OfferError` if there is none."""
        resource = self._resources.get(key)
        if resource is None or resource.id not in self._registry:
            raise _GoneError("there is no session here, or it has ended")
        return resource

    def end(self, resource: Resource) -> None:
        """End a session; there is nothing at its URL any more. Idempotent."""
        self._resources.pop(resource.key, None)
        with contextlib.suppress(UnknownSessionError):
            self._registry.stop(resource.id, CloseReason.CLIENT)

    async def take(self, asked: Asked) -> Reply:
        """Serve a request; a refusal is a reply."""
        try:
            resource = self.get(asked.key)
            if asked.method == "DELETE":
                self.end(resource)
                return Reply(200)
            return await self._patch(resource, asked)
        except OfferError as error:
            return problem(error)

    async def _patch(self, resource: Resource, asked: Asked) -> Reply:
        """Take candidates, and new ICE credentials."""
        fragment = fragments.parse_fragment(asked.text)
        reply = Reply(204)
        if asked.match is None:
            raise _NoMatchError("the request must say If-Match, with the ETag of the answer")
        if asked.match in RESTARTS:
            reply = await self._restart(resource, fragment)
        elif asked.match != resource.etag:
            raise _OutdatedError("If-Match is not the ETag of this session")
        elif fragment.ufrag not in self._trickling.ufrags(resource.id):
            raise NoIceRestartError('to restart ICE, the request must say "If-Match: *"')
        for candidate in fragment.candidates:
            await self._trickling.take(TrickledCandidate(resource.id, candidate, fragment.ufrag))
        return reply

    async def _restart(self, resource: Resource, fragment: fragments.Fragment) -> Reply:
        """Restart ICE with the credentials of the client (RFC 9725 section 4.3.3)."""
        peer = self._trickling.peers.get(resource.id)
        if peer is None:
            raise _GoneError("the session has ended")
        if len(fragment.password) < fragments.MIN_PASSWORD:
            raise MalformedCandidateError("a restart needs an 'a=ice-ufrag' and an 'a=ice-pwd'")
        text = await peer.restart_ice(Credentials(fragment.ufrag, fragment.password))
        resource.etag = _new_etag()
        return Reply(200, {"etag": resource.etag, **EXPOSED}, text, fragments.MEDIA_TYPE)


def problem(error: OfferError) -> Reply:
    """A refusal as "problem details" (RFC 9457)."""
    status = error.http_status
    headers = {"retry-after": RETRY_AFTER[status]} if status in RETRY_AFTER else {}
    content = {"title": error.code, "status": status, "detail": str(error)}
    return Reply(status, headers, json.dumps(content), "application/problem+json")
