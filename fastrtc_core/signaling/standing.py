"""Clients whose connection stands, and that may answer for it with the secret of their answer."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..errors import DuplicateSessionError, SessionGoneError

What = TypeVar("What")


def new_secret() -> str:
    """What a client is told with its answer: 192 bits that nobody guesses."""
    return secrets.token_urlsafe(24)


@dataclass(eq=False, frozen=True)
class Standing(Generic[What]):
    """One of them, as long as its secret holds."""

    id: str
    secret: str
    what: What
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)


class StandingClients(Generic[What]):
    """Who is here. Others know the ids, which two channels may share; nobody knows the secrets."""

    def __init__(self) -> None:
        self._clients: set[Standing[What]] = set()

    def add(self, id: str, secret: str, what: What) -> Standing[What]:
        """Somebody is here, until `remove`."""
        standing = Standing(id, secret, what)
        self._clients.add(standing)
        return standing

    def remove(self, standing: Standing[What]) -> None:
        """It has left; idempotent."""
        self._clients.discard(standing)

    def find(self, id: str, secret: str) -> What:
        """What was added for a client.

        Raises:
            SessionGoneError: If nobody has this id.
            DuplicateSessionError: If the secret is not its own.
        """
        loop = asyncio.get_running_loop()
        named = [one for one in self._clients if one.id == id and one.loop is loop]
        if not named:
            raise SessionGoneError("the session has ended: make a new connection")
        # In constant time, so that the time tells nothing of the secret.
        given = secret.encode(errors="surrogatepass")  # JSON can bring any text
        right = [one for one in named if hmac.compare_digest(one.secret.encode(), given)]
        if not right:
            raise DuplicateSessionError(
                f"the id {id!r} is taken, and this is not its secret any more"
            )
        return right[0].what
