"""The addresses of the browser client: an entry that never changes its own, and the modules.

The address of a module contains the hash of all of them, so a browser asks for it once and never
again (RFC 8246). The entry is asked for each time, and answered with 304 while nothing changed.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from .files import modules, version

_ANYBODY = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}
"""The client is no secret, and a page of any origin may import it."""


def add_routes(router: APIRouter) -> None:
    """Add `/webrtc/client.js` and the modules that it leads to; `import` sends no token."""
    etag = f'"{version()}"'
    content = entry().encode()
    bodies = {name: source.encode() for name, source in modules().items()}
    of_entry = {**_ANYBODY, "cache-control": "no-cache", "etag": etag}
    of_modules = {**_ANYBODY, "cache-control": "public, max-age=31536000, immutable"}
    # Where servers of two versions stand behind one address, the next request may find the other.
    of_nothing = {**_ANYBODY, "cache-control": "no-store"}

    @router.get("/webrtc/client.js")
    async def client(request: Request) -> Response:
        """The browser client, an ES module."""
        if _matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=of_entry)
        return Response(content, media_type="text/javascript", headers=of_entry)

    @router.get("/webrtc/client/{of}/{name}", include_in_schema=False)
    async def module(of: str, name: str) -> Response:
        body = bodies.get(name)
        if of != version() or body is None:
            return Response("There is no such module.", 404, of_nothing, "text/plain")
        return Response(body, media_type="text/javascript", headers=of_modules)


def entry() -> str:
    """The module at the address that pages import.

    It names all modules, so that a browser fetches them at once and not one level after the other.
    """
    *others, last = (f"./client/{version()}/{name}" for name in modules())
    lines = [f'import "{address}";' for address in others]
    return "\n".join([*lines, f'export * from "{last}";', ""])


def _matches(wanted: str, etag: str) -> bool:
    """Whether `If-None-Match` names the tag, by the weak comparison (RFC 9110 section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return etag in tags or tags == ["*"]
