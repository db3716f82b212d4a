"""Relays: allocations on TURN servers (RFC 8656), each in the place of a socket.

aioice speaks to the server. What stands here instead of its transport ends in bounded time where
the server is silent, keeps permissions alive (they last 300 s, and aioice renews them every 500 s),
sends without a task for each packet, and says in the log why a relay is none, or is none any more.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Coroutine
from typing import Any, TypeAlias

from aioice import stun, turn
from aioice.ice import StunProtocol

from .ice_servers import IceServer

logger = logging.getLogger(__name__)

PERMISSION_INTERVAL = 240.0
"""Time in s between two renewals of a channel, and so of its permission, which lasts for 300 s (RFC
8656 section 9)."""

DELETE_TIMEOUT = 0.5
"""How long in s a server has to confirm that an allocation was given back; it ends by itself."""

MAX_WAITING = 64 << 10
"""Bytes that wait to be written to a server that is reached over TCP."""

LIFETIME = 600
"""For how long in s an allocation is asked for; it is renewed in time (RFC 8656 section 7.1)."""

_CHANNEL_HEADER = struct.Struct("!HH")


async def open_relay(server: IceServer, protocol: StunProtocol) -> None:
    """Have a protocol of aioice send and receive through a new allocation.

    Raises:
        OSError: If the server cannot be reached, or its answer makes no sense.
        stun.TransactionError: If it refuses, or is silent for a minute.
    """
    loop = asyncio.get_running_loop()
    address = server.host, server.port
    transport: asyncio.BaseTransport
    client: _Client
    if server.transport == "tcp":
        transport, client = await loop.create_connection(
            lambda: _TcpClient(server), *address, ssl=server.tls or None
        )
    else:
        transport, client = await loop.create_datagram_endpoint(
            lambda: _UdpClient(server), remote_addr=address
        )
    try:
        await client.connect()
    except BaseException:
        client.leaving = True
        transport.abort()
        raise
    client.receiver = protocol
    protocol.connection_made(Relay(client))  # type: ignore[arg-type]


class _Watched:
    """What a client of a TURN server notes of its end."""

    _server: IceServer
    transport: Any
    leaving = False
    refusal: Exception | None = None

    async def request(self, request: stun.Message) -> Any:
        try:
            answer = await super().request(request)  # type: ignore[misc]
        except stun.TransactionError as error:
            self.refusal = error
            raise
        self.refusal = None
        return answer

    def send_stun(self, message: stun.Message, address: tuple[str, int]) -> None:
        if not self.transport.is_closing():  # what is sent again may come too late
            super().send_stun(message, address)  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.leaving:
            logger.warning(
                "the TURN server %s relays no longer: %s",
                self._server.url,
                reason_of(error or self.refusal or ConnectionError("it has closed the connection")),
            )
        super().connection_lost(error)  # type: ignore[misc]


class _UdpClient(_Watched, turn.TurnClientUdpProtocol):
    def __init__(self, server: IceServer) -> None:
        super().__init__(**_options(server))
        self._server = server


class _TcpClient(_Watched, turn.TurnClientTcpProtocol):
    def __init__(self, server: IceServer) -> None:
        super().__init__(**_options(server))
        self._server = server
        self._dropped = 0

    def _send(self, data: bytes) -> None:
        # What waits here comes late; a datagram that is lost is at least noticed.
        if self.transport.get_write_buffer_size() < MAX_WAITING:
            super()._send(data)
        else:
            self._dropped += 1

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._dropped:
            logger.info("dropped: %d datagrams that had to wait for a relay", self._dropped)


_Client: TypeAlias = _UdpClient | _TcpClient


def _options(server: IceServer) -> dict[str, Any]:
    return {
        "server": (server.host, server.port),
        "username": server.username,
        "password": server.credential,
        "lifetime": LIFETIME,
        "channel_refresh_time": LIFETIME,  # not asked: see `Relay._renew`
    }


class Relay:
    """What a protocol of aioice has for a transport.

    Args:
        client: One that has an allocation.
    """

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._run(self._renew())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`sockname` is the relayed address, `related_address` where the server sees us."""
        if name == "sockname":
            return self._client.relayed_address
        return self._client.mapped_address if name == "related_address" else default

    def is_closing(self) -> bool:
        """Whether nothing is sent any more."""
        return self._closing is not None or self._client.transport.is_closing()

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        """Send data to a peer, at once if there is a channel for it."""
        if self.is_closing():
            return
        client = self._client
        channel = client.peer_to_channel.get(address)
        if channel is None:
            self._run(client.send_data(data, address))
        else:
            client._send(_CHANNEL_HEADER.pack(channel, len(data)) + data)

    def close(self) -> None:
        """Give the allocation back; idempotent."""
        if self._closing is None:
            self._client.leaving = True
            self._closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        client = self._client
        for task in self._tasks:
            task.cancel()
        try:
            async with asyncio.timeout(DELETE_TIMEOUT):
                await client.delete()
        except TimeoutError:
            logger.info("the TURN server %s does not confirm that a relay ends", client._server.url)
        finally:
            # What waits to be written to a server that reads no longer would keep it open.
            client.transport.abort()

    async def _renew(self) -> None:
        """Keep the channels; aioice keeps the allocation itself."""
        client = self._client
        while True:
            await asyncio.sleep(PERMISSION_INTERVAL)
            if client.transport.is_closing():
                return
            for address, channel in list(client.peer_to_channel.items()):
                try:
                    await client.channel_bind(channel, address)
                except stun.TransactionError as error:
                    logger.warning(
                        "the TURN server %s will not relay from %s for much longer: %s",
                        client._server.url,
                        address[0],
                        reason_of(error),
                    )

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("nothing could be relayed: %s", error)


def reason_of(error: BaseException) -> str:
    """Why a STUN or TURN server is of no use, in words."""
    if isinstance(error, stun.TransactionFailed):
        code, words = error.response.attributes.get("ERROR-CODE", (0, "an error"))
        hint = ": check username and credential, and whether they have expired"
        return f"it refuses with {code} {words}{hint if code in (401, 441) else ''}"
    if isinstance(error, TimeoutError | stun.TransactionTimeout):
        return "it does not answer"
    return str(error) or type(error).__name__
