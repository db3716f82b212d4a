"""The door of the HTTP routes: which requests come in, and what is known of who sends them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.params import Depends
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from .context import Caller
from .errors import ConfigurationError, OriginError
from .origins import OriginRule, cors_headers

if TYPE_CHECKING:
    from enum import Enum

    from starlette.requests import HTTPConnection

logger = logging.getLogger(__name__)

POLICY_VIOLATION = 1008
"""The code with which a socket is closed that a page may not open (RFC 6455 section 7.4.1)."""

MAX_REASON = 123
"""Bytes of the reason for which a socket is closed (RFC 6455 section 5.5)."""

PREFLIGHT_AGE = 600
"""How long in s a browser need not ask again whether a page of another origin may post."""


class Door:
    """What the routes of one mount share.

    Args:
        rule: Which pages may connect.
        path: Prefix of the routes.
        tags: Of the routes in the OpenAPI document.
        dependencies: What guards them.
        user: Whose result is the `user` of the context: `Depends(f)`, or `f`.
        refused: Told of each request that the rule refuses.

    Attributes:
        guarded: Takes routes that the rule and the dependencies guard; sockets ask `admits` too.
        public: Takes routes that nothing guards: what is no secret.
        user: The dependency, the default of a parameter of an endpoint.
        prefix: What the paths of all routes begin with.

    Raises:
        ConfigurationError: If `user` is neither.
    """

    def __init__(
        self,
        rule: OriginRule,
        path: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[Depends] | None = None,
        user: Any = None,
        refused: Callable[[OriginError], None] = lambda error: None,
    ) -> None:
        self.rule = rule
        self._refused = refused
        self.user: Any = _dependency(user)
        self.prefix = prefix = path.rstrip("/")
        self.guarded = APIRouter(
            prefix=prefix,
            tags=tags,
            dependencies=dependencies,
            route_class=_route_class(rule, refused),
        )
        self.public = APIRouter(prefix=prefix, tags=tags)

    def open(self, app: FastAPI) -> None:
        """Add the routes to an app."""
        app.include_router(self.public)
        app.include_router(self.guarded)

    def allow_preflight(
        self, path: str, methods: str = "GET, POST", told: Mapping[str, str] | None = None
    ) -> None:
        """Let browsers ask whether a page of another origin may use a route.

        Args:
            path: Of the route.
            methods: Its methods.
            told: Headers that tell anybody who asks with OPTIONS what the route takes.
        """

        @self.public.options(path, include_in_schema=False)
        async def preflight(request: Request) -> Response:
            origin = request.headers.get("origin")
            if origin is None and told is not None:
                return Response(status_code=204, headers=told)
            headers = {**cors_headers(self.rule, origin), **(told or {})}
            if "access-control-allow-origin" not in headers:
                return Response(status_code=403)
            headers["access-control-allow-methods"] = methods
            asked = request.headers.get("access-control-request-headers", "content-type")
            headers["access-control-allow-headers"] = asked
            headers["access-control-max-age"] = str(PREFLIGHT_AGE)
            return Response(status_code=204, headers=headers)

    async def admits(self, websocket: WebSocket, subprotocol: str | None = None) -> bool:
        """Whether a socket may be opened; if not, it is closed with a reason that a page can read.

        For that it is opened first: a browser tells nothing of a handshake that was refused.
        """
        try:
            self.rule.check(websocket.headers, websocket.scope.get("server"))
            return True
        except OriginError as error:
            logger.warning("a WebSocket was refused: %s", error)
            self._refused(error)
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
                await websocket.accept(subprotocol)
                reason = str(error).encode()[:MAX_REASON].decode(errors="ignore")
                await websocket.close(POLICY_VIOLATION, reason)
            return False


def caller_of(connection: HTTPConnection, user: Any = None) -> Caller:
    """What a request tells of who sends it."""
    client = connection.client
    return Caller(dict(connection.headers), client.host if client else None, user, connection.state)


def _route_class(rule: OriginRule, refused: Callable[[OriginError], None]) -> type[APIRoute]:
    class Guarded(APIRoute):
        """Checks the origin before any dependency, and lets pages read what they are told."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    rule.check(request.headers, request.scope.get("server"))
                except OriginError as error:
                    logger.warning("a request was refused: %s", error)
                    refused(error)
                    return JSONResponse(error.body(), error.http_status)
                cors = cors_headers(rule, request.headers.get("origin"))
                try:
                    response = await handle(request)
                except HTTPException as error:
                    error.headers = {**(error.headers or {}), **cors}
                    raise
                response.headers.update(cors)
                return response

            return guarded

    return Guarded


def _dependency(user: Any) -> Depends:
    if user is None:
        return Depends(_nobody)
    if isinstance(user, Depends) and user.dependency is not None:
        return user
    if callable(user):
        return Depends(user)
    raise ConfigurationError("user is a dependency: Depends(f), or f, a function")


async def _nobody() -> None:
    return None
