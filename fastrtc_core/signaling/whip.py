"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): plain SDP over HTTP, and a URL for each session.

A client posts an offer as `application/sdp`, and is told the URL of its session. There it sends the
candidates that it finds later, restarts ICE, and ends the session. Both routes take any offer that
the modality and mode of the stream allow: to one, clients of WHIP send; from the other, those of
WHEP receive.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from ..door import Door, caller_of
from ..errors import (
    MalformedCandidateError,
    MalformedOfferError,
    NoIceRestartError,
    OfferError,
    UnknownSessionError,
)
from ..registry import Registry
from ..session import CloseReason
from ..webrtc.connectivity.paths import Credentials
from . import fragments
from .acceptor import Acceptor
from .bodies import Envelope, TrickledCandidate
from .reading import read_body
from .trickling import Trickling

SDP = "application/sdp"
RETRY_AFTER = {429: "5", 503: "5"}
"""After how many s a client may ask again that was refused for want of room."""

EXPOSED = {"access-control-expose-headers": "ETag, Link, Location"}
"""What a page of another origin may read of an answer (the Fetch standard)."""


class _GoneError(OfferError):
    code = "unknown_session"
    http_status = 404


class _OutdatedError(OfferError):
    code = "outdated"
    http_status = 412


class _NoMatchError(OfferError):
    code = "if_match_missing"
    http_status = 428


RESTARTS = ("*", '"*"')
"""`If-Match` of a request that restarts ICE; RFC 9725 section 4.3.3 writes it in both ways."""


def _new_etag() -> str:
    return f'"{secrets.token_hex(8)}"'


@dataclass
class Resource:
    """A session that has a URL of its own.

    Attributes:
        id: Of the session.
        key: The end of its URL. Whoever knows it may end the session.
        etag: Of its ICE session; a restart begins another one.
    """

    id: str
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    etag: str = field(default_factory=_new_etag)


class Resources:
    """The sessions of a stream that were opened so."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
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
        """End a session; there is nothing at its URL any more."""
        del self._resources[resource.key]
        with contextlib.suppress(UnknownSessionError):
            self._registry.stop(resource.id, CloseReason.CLIENT)


def add_routes(
    door: Door,
    acceptor: Acceptor,
    trickling: Trickling,
    registry: Registry,
    client_configuration: Callable[[], Awaitable[dict[str, Any]]],
) -> None:
    """Add `/whip`, `/whep`, and the URLs of their sessions."""
    resources = Resources(registry)
    for path in ("/whip", "/whep"):
        _add_endpoint(door, path, acceptor, registry, resources, client_configuration)
        _add_sessions(door, path + "/{key}", trickling, resources)


def _add_endpoint(
    door: Door,
    path: str,
    acceptor: Acceptor,
    registry: Registry,
    resources: Resources,
    client_configuration: Callable[[], Awaitable[dict[str, Any]]],
) -> None:
    door.allow_preflight(path, "POST", {"accept-post": SDP})

    @door.guarded.post(path, status_code=201)
    async def offer(request: Request, user: Any = door.user) -> Response:
        """Take an offer, and answer it."""
        try:
            with registry.refusals():
                text = await _read_text(request, SDP)
                envelope = Envelope(text, None, None, request.query_params)
                answer = await acceptor.accept(envelope, caller_of(request, user))
        except OfferError as error:
            return _problem(error)
        resource = resources.add(answer.id)
        try:
            links = list(ice_links(await client_configuration()))
        except BaseException:  # the client will never know its session
            resources.end(resource)
            raise
        headers = {
            "location": f"{request.url.path.rstrip('/')}/{resource.key}",
            "etag": resource.etag,
            "accept-patch": fragments.MEDIA_TYPE,
            **EXPOSED,
        }
        response = Response(answer.sdp, 201, headers, SDP)
        for link in links:
            response.headers.append("link", link)
        return response


def _add_sessions(door: Door, path: str, trickling: Trickling, resources: Resources) -> None:
    door.allow_preflight(path, "PATCH, DELETE", {"accept-patch": fragments.MEDIA_TYPE})

    @door.guarded.patch(path, status_code=204)
    async def trickle(key: str, request: Request) -> Response:
        """Take candidates, and new ICE credentials."""
        try:
            resource = resources.get(key)
            text = await _read_text(request, fragments.MEDIA_TYPE)
            fragment = fragments.parse_fragment(text)
            match = request.headers.get("if-match")
            if match is None:
                raise _NoMatchError("the request must say If-Match, with the ETag of the answer")
            if match in RESTARTS:
                response = await _restart(resource, fragment, trickling)
            elif match != resource.etag:
                raise _OutdatedError("If-Match is not the ETag of this session")
            elif fragment.ufrag not in trickling.ufrags(resource.id):
                raise NoIceRestartError('to restart ICE, the request must say "If-Match: *"')
            else:
                response = Response(status_code=204)
            for candidate in fragment.candidates:
                found = TrickledCandidate(resource.id, candidate, fragment.ufrag)
                await trickling.take(found)
        except OfferError as error:
            return _problem(error)
        return response

    @door.guarded.delete(path)
    async def end(key: str) -> Response:
        """End the session."""
        try:
            resources.end(resources.get(key))
        except OfferError as error:
            return _problem(error)
        return Response(status_code=200)


async def _restart(
    resource: Resource, fragment: fragments.Fragment, trickling: Trickling
) -> Response:
    """Restart ICE with the credentials of the client (RFC 9725 section 4.3.3)."""
    peer = trickling.peers.get(resource.id)
    if peer is None:
        raise _GoneError("the session has ended")
    if len(fragment.password) < fragments.MIN_PASSWORD:
        raise MalformedCandidateError("a restart needs an 'a=ice-ufrag' and an 'a=ice-pwd'")
    text = await peer.restart_ice(Credentials(fragment.ufrag, fragment.password))
    resource.etag = _new_etag()
    headers = {"etag": resource.etag, **EXPOSED}
    return Response(text, 200, headers, fragments.MEDIA_TYPE)


def ice_links(configuration: Mapping[str, Any]) -> Iterator[str]:
    """An `RTCConfiguration` as values of `Link` headers (RFC 9725 section 4.6)."""
    for server in configuration["iceServers"]:
        urls = server["urls"] if "urls" in server else server["url"]
        for url in [urls] if isinstance(urls, str) else urls:
            link = f'<{url}>; rel="ice-server"'
            if "username" in server:
                name, password = _quoted(server["username"]), _quoted(server.get("credential", ""))
                link += f'; username={name}; credential={password}; credential-type="password"'
            yield link


async def _read_text(request: Request, media_type: str) -> str:
    try:
        return (await read_body(request, media_type)).decode()
    except UnicodeDecodeError:
        raise MalformedOfferError("the body is not UTF-8") from None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _problem(error: OfferError) -> Response:
    """A refusal as "problem details" (RFC 9457)."""
    status = error.http_status
    headers = {"retry-after": RETRY_AFTER[status]} if status in RETRY_AFTER else None
    content = {"title": error.code, "status": status, "detail": str(error)}
    return JSONResponse(content, status, headers, "application/problem+json")
