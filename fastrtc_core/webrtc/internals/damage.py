"""Datagrams that cannot be read: dropped, and nothing else comes of them.

aiortc ends a connection, and aioice leaves its socket to the event loop, on whatever their parsers
raise beyond `ValueError`. An empty datagram is enough, and anybody can send one: what is no STUN is
taken from any address.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCPeerConnection

from .connection import dtls_transports

logger = logging.getLogger(__name__)


def drop_damaged(pc: RTCPeerConnection) -> None:
    """Keep a connection alive whatever arrives on its sockets; idempotent.

    Args:
        pc: A connection that has gathered its candidates, and so has its sockets.
    """
    for dtls in dtls_transports(pc):
        if "_recv_next" in vars(dtls):
            continue
        dtls._recv_next = _dropping_next(dtls._recv_next)
        for protocol in dtls.transport._connection._protocols:
            protocol.datagram_received = _dropping(protocol.datagram_received)


def _dropping_next(receive_next: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def receive() -> None:
        try:
            await receive_next()
        except ConnectionError:
            raise  # the connection has ended
        except Exception as error:
            logger.info("a damaged packet was dropped", exc_info=error)

    return receive


def _dropping(datagram_received: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
    def receive(data: bytes, address: Any) -> None:
        try:
            datagram_received(data, address)
        except Exception as error:
            logger.info("a damaged datagram was dropped", exc_info=error)

    return receive
