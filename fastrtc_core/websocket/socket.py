"""A WebSocket, as far as a transport needs one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class DisconnectedError(Exception):
    """The other side is gone.

    Attributes:
        vanished: Whether it went without closing the socket.
    """

    def __init__(self, *, vanished: bool = False) -> None:
        super().__init__("the other side is gone")
        self.vanished = vanished


class Socket(Protocol):
    """One open WebSocket.

    Attributes:
        headers: Of the request that opened it, their names in small letters.
        query: Of its address.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]

    async def receive(self) -> str | bytes:
        """Wait for a message.

        Raises:
            DisconnectedError: If there is no other side any more.
        """
        ...

    async def send(self, data: str | bytes) -> None:
        """Send a message; waits while the other side reads nothing.

        Raises:
            DisconnectedError: If there is no other side any more.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close the socket; does nothing where it is closed."""
        ...


class Close:
    """Codes with which a socket is closed (RFC 6455 section 7.4.1, and IANA's registry)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    NO_STATUS = 1005
    ABNORMAL = 1006
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    TRY_AGAIN = 1013
