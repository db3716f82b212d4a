"""Where a Redis server is that Sentinels watch: asked anew for each connection."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ...errors import BusError, ConfigurationError
from .redis_wire import ErrorReply, Target, Wire

ASK_TIMEOUT = 0.5
"""How long in s a Sentinel may take to say which server is the master."""

PORT = 26379


class SentinelTarget(Target):
    """The master among servers that Sentinels watch, whichever it is at present.

    Args:
        url: `redis+sentinel://user:password@host1:26379,host2:26379/name/0`, or `rediss+sentinel://`
            where the servers speak TLS; `name` is what the Sentinels call the master. User and
            password are for the servers; those for the Sentinels are `sentinel_username` and
            `sentinel_password` behind the `?`.

    Raises:
        ConfigurationError: If the url cannot be read, or the extra `redis` is missing.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            login, _, hosts = parts.netloc.rpartition("@")
            service, _, database = parts.path.strip("/").partition("/")
            self._sentinels = [_host_and_port(host) for host in hosts.split(",")]
        except ValueError:
            service = ""
        if not service or "@" in parts.path:  # a piece of a password that has a /
            raise ConfigurationError(
                "the url of Redis Sentinels cannot be read: it has to look like "
                "redis+sentinel://host1:26379,host2:26379/name/0, with the name of the master, "
                "and a password percent-encoded"
            )
        query = dict(parse_qsl(parts.query))
        self._login = {
            key: query.pop(f"sentinel_{key}")
            for key in ("username", "password")
            if f"sentinel_{key}" in query
        }
        scheme = parts.scheme.removesuffix("+sentinel")
        server = f"{login}@localhost" if login else "localhost"
        super().__init__(
            urlunsplit((scheme, server, f"/{database or 0}", urlencode(query), parts.fragment))
        )
        self._service = service
        self.name = f"{parts.scheme}://{hosts}/{service}"

    async def found(self) -> dict[str, Any]:
        """Host and port of the master, from the first Sentinel that knows it."""
        problems = []
        for host, port in self._sentinels:
            try:
                async with asyncio.timeout(ASK_TIMEOUT):
                    return await self._ask(host, port)
            except (BusError, TimeoutError) as error:
                problems.append(f"{host}:{port}: {str(error) or 'no answer'}")
        raise BusError(f"no Sentinel knows the master {self._service!r} ({'; '.join(problems)})")

    async def check(self, wire: Wire) -> None:
        """Refuse a server that is no master any more: what is published there reaches few."""
        await wire.write([("ROLE",)])
        role = await wire.read()
        if isinstance(role, ErrorReply) or role[0] != b"master":
            raise BusError("the server that the Sentinels named is no master now")

    async def _ask(self, host: str, port: int) -> dict[str, Any]:
        wire = self._sentinel(host, port)
        try:
            await wire.open()
            await wire.write([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)])
            answer = await wire.read()
        finally:
            await wire.close()
        if isinstance(answer, ErrorReply) or not answer:
            raise BusError(str(answer or "it does not know it"))
        return {"host": answer[0].decode(), "port": int(answer[1])}

    def _sentinel(self, host: str, port: int) -> Wire:
        none = {"username": None, "password": None, "db": 0}
        return self.wire(**{**none, **self._login, "host": host, "port": port})


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return parts.hostname, parts.port or PORT


def target_of(url: str) -> Target:
    """Where a url leads.

    Raises:
        ConfigurationError: If it cannot be read, or the extra `redis` is missing.
    """
    return SentinelTarget(url) if url.partition("://")[0].endswith("+sentinel") else Target(url)
