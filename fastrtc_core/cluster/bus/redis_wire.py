"""All that touches redis-py: where a server is, and one socket to it.

redis-py makes the connection (TLS, user and password, database) and reads and writes the protocol.
Its clients reconnect and retry by themselves, which would hide what a bus has to report; so the
level below them is used, `redis.asyncio.Connection`, and each is used for one life only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ...errors import BusError, ConfigurationError

Command = tuple[str | bytes | int, ...]


class ErrorReply(str):
    """A server's answer that says no, and why."""


class AccessRefusedError(BusError):
    """The server refuses the user or the password."""


class Target:
    """Where a server is, and how to enter.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database if need
            be, as redis-py reads it.

    Attributes:
        name: The url without its secrets.

    Raises:
        ConfigurationError: If the url cannot be read, or the extra `redis` is missing.
    """

    def __init__(self, url: str) -> None:
        import_redis()
        from redis.asyncio import Connection
        from redis.asyncio.connection import parse_url

        # What an error of redis-py says of a url may be a piece of its password: it is not shown.
        problem = None
        try:
            options: dict[str, Any] = dict(parse_url(url))
            parts = urlsplit(url)
            if parts.scheme != "unix" and "@" in parts.path + parts.query + parts.fragment:
                problem = "a / ? # or @ in the password has to be percent-encoded"
        except ValueError:
            problem = "it has to look like redis://user:password@host:6379/0, percent-encoded"
        if problem is not None:
            raise ConfigurationError(f"the url of the Redis server cannot be read: {problem}")

        self._make = options.pop("connection_class", Connection)
        for name in ("max_connections", "timeout"):
            options.pop(name, None)  # of pools of connections
        # No wait and no retry but our own.
        options |= {
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "health_check_interval": 0,
            "retry_on_timeout": False,
            "decode_responses": False,
            "protocol": 2,
        }
        if parts.scheme == "unix":
            self.name = f"unix://{options.get('path', '')}"
        else:
            options["socket_keepalive"] = True
            host, port = options.get("host", "localhost"), options.get("port", 6379)
            self.name = f"{parts.scheme}://{host}:{port}/{options.get('db', 0)}"
        self._options = options
        try:
            trial = self._make(**options)
            # Reading the certificates of all authorities takes long enough to be heard, so it is
            # done once, and not at each attempt to connect.
            self._tls = getattr(trial, "ssl_context", None)
            if self._tls is not None:
                self._tls.get()
        except Exception as error:
            raise ConfigurationError(
                f"the url of {self.name} asks for something that redis-py cannot do "
                f"({type(error).__name__}); look at what stands behind its ?"
            ) from None

    def __repr__(self) -> str:
        return f"<Target {self.name}>"

    def wire(self, **where: Any) -> Wire:
        """A socket to it, to be opened; or to another server, with the same credentials."""
        return Wire(self._make, {**self._options, **where}, self._tls)

    async def found(self) -> dict[str, Any]:
        """What `wire` is to be given to reach the server now."""
        return {}

    async def check(self, wire: Wire) -> None:
        """Refuse a server that is not the one that it should be; raises `BusError`."""


class Wire:
    """One socket to a server, from `open` to `close`."""

    def __init__(self, make: Any, options: dict[str, Any], tls: Any = None) -> None:
        from redis import exceptions

        self._errors = exceptions
        self._connection: Any = make(**options, redis_connect_func=self._shake_hands)
        if tls is not None:
            self._connection.ssl_context = tls
        self._transport: asyncio.WriteTransport | None = None

    async def open(self) -> None:
        """Connect, and enter.

        Raises:
            AccessRefusedError: If user and password do not hold.
            BusError: If it fails otherwise.
        """
        try:
            await self._connection.connect()
        except Exception as error:
            raise self._translated(error) from None

    async def write(self, commands: Iterable[Command]) -> None:
        """Send commands in one go; they leave in the order of the calls.

        Raises:
            BusError: If the connection is lost.
        """
        if not self._connection.is_connected:
            raise BusError("the connection is closed")  # redis-py would make a new one
        try:
            packed = self._connection.pack_commands(commands)
            await self._connection.send_packed_command(packed, check_health=False)
        except Exception as error:
            raise self._translated(error) from None

    async def read(self) -> Any:
        """Wait for the next answer: bytes, a number, `None`, a list of these, or an `ErrorReply`.

        Raises:
            AccessRefusedError: If the server wants a password first.
            BusError: If the connection is lost.
        """
        try:
            return await self._connection.read_response()
        except self._errors.ResponseError as error:
            return ErrorReply(error)
        except Exception as error:
            raise self._translated(error) from None

    async def close(self) -> None:
        """Close at once; idempotent.

        A polite end would wait for a server that is frozen to read what is left, or to take leave.
        """
        writer = self._connection._writer
        transport = self._transport or (writer and writer.transport)
        if transport is not None:
            transport.abort()
        await self._connection.disconnect(nowait=True)

    async def _shake_hands(self, connection: Any) -> None:
        # redis-py forgets the transport when it meets an error; it is still to be closed then.
        self._transport = connection._writer.transport
        await connection.on_connect()

    def _translated(self, error: Exception) -> BusError:
        kind = BusError
        if isinstance(error, self._errors.AuthenticationError):
            kind = AccessRefusedError
        return kind(str(error) or type(error).__name__)


def import_redis() -> None:
    """Look whether redis-py is there.

    Raises:
        ConfigurationError: If it is not; the text says what to install.
    """
    try:
        import redis.asyncio  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigurationError(
            "RedisBus needs redis, which is not installed; install it with "
            "`pip install 'fastrtc-core[redis]'`"
        ) from None
