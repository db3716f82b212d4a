"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): plain SDP over HTTP, and a URL for each session.

A client posts an offer as `application/sdp`, and is told the URL of its session. There it sends the
candidates that it finds later, restarts ICE, and ends the session. Both routes take any offer that
the modality and mode of the stream allow: to one, clients of WHIP send; from the other, those of
WHEP receive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from fastapi import Request, Response

from ..door import Door, caller_of
from ..errors import MalformedOfferError, OfferError
from ..registry import Registry
from . import fragments
from .acceptor import Acceptor
from .bodies import Envelope
from .reading import read_body
from .resources import EXPOSED, Asked, Reply, Resources, Take, problem

SDP = "application/sdp"


def add_routes(
    door: Door,
    acceptor: Acceptor,
    registry: Registry,
    resources: Resources,
    take: Take,
    client_configuration: Callable[[], Awaitable[dict[str, Any]]],
) -> None:
    """Add `/whip`, `/whep`, and the URLs of their sessions.

    Args:
        door: Where to.
        acceptor: Takes the offers.
        registry: Counts refusals.
        resources: The sessions that have a URL.
        take: Serves what is asked there.
        client_configuration: The ICE servers for clients.
    """
    for path in ("/whip", "/whep"):
        _add_endpoint(door, path, acceptor, registry, resources, client_configuration)
        _add_sessions(door, path + "/{key}", take)


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
            return _response(problem(error))
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


def _add_sessions(door: Door, path: str, take: Take) -> None:
    door.allow_preflight(path, "PATCH, DELETE", {"accept-patch": fragments.MEDIA_TYPE})

    @door.guarded.patch(path, status_code=204)
    async def trickle(key: str, request: Request) -> Response:
        """Take candidates, and new ICE credentials."""
        try:
            text = await _read_text(request, fragments.MEDIA_TYPE)
            match = request.headers.get("if-match")
            return _response(await take(Asked("PATCH", key, match, text)))
        except OfferError as error:
            return _response(problem(error))

    @door.guarded.delete(path)
    async def end(key: str) -> Response:
        """End the session."""
        try:
            return _response(await take(Asked("DELETE", key)))
        except OfferError as error:
            return _response(problem(error))


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


def _response(reply: Reply) -> Response:
    return Response(reply.text or None, reply.status, reply.headers, reply.media_type)
