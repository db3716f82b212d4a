"""The one place that reaches into private parts of aiortc and aioice.

Each name is covered by a contract test; aiortc is pinned to the minor versions that pass it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import socket
from collections.abc import Callable
from typing import Any

from aioice import Candidate, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.codecs.base import Encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import RtpPacket

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2.0
"""How long in s a connection, or a part of it, may take to close."""

SOCKET_BUFFER = 1 << 20
"""Receive buffer of a media socket in bytes."""


def _dtls_transports(pc: RTCPeerConnection) -> set[Any]:
    return pc._RTCPeerConnection__dtlsTransports  # type: ignore[attr-defined,no-any-return]


def _ice_connections(pc: RTCPeerConnection) -> list[Connection]:
    return [dtls.transport._connection for dtls in _dtls_transports(pc)]


def packets_received(pc: RTCPeerConnection) -> int:
    """DTLS, RTP and RTCP packets that have arrived on a connection."""
    return sum(dtls._RTCDtlsTransport__rx_packets for dtls in _dtls_transports(pc))


async def probe(pc: RTCPeerConnection) -> bool:
    """Ask the peer for a sign of life with one STUN request on the selected pair (RFC 7675).

    Returns:
        Whether it answered, within half a second.
    """
    for connection in _ice_connections(pc):
        if connection.remote_password is None:
            continue
        for pair in tuple(connection._nominated.values()):
            request = connection.build_request(pair, nominate=False)
            try:
                await pair.protocol.request(
                    request,
                    pair.remote_addr,
                    integrity_key=connection.remote_password.encode(),
                    retransmissions=0,
                )
            except (stun.TransactionError, OSError):
                continue
            return True
    return False


def watch_connecting(
    pc: RTCPeerConnection, failed: Callable[[Exception], None]
) -> set[asyncio.Task[Any]]:
    """Look after the tasks in which a new connection connects; aiortc itself forgets them.

    Args:
        pc: The connection.
        failed: Called with what such a task raises.

    Returns:
        The tasks that run, at any time.
    """
    running: set[asyncio.Task[Any]] = set()
    original = pc._RTCPeerConnection__connect  # type: ignore[attr-defined]

    async def connect() -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await original()
        except Exception as error:
            failed(error)
        finally:
            running.discard(task)

    pc._RTCPeerConnection__connect = connect  # type: ignore[attr-defined]
    return running


async def close(pc: RTCPeerConnection, connecting: set[asyncio.Task[Any]]) -> None:
    """Close a connection and all that aiortc has made for it.

    Args:
        pc: The connection.
        connecting: What `watch_connecting` returned for it. These tasks end first: beside
            `pc.close`, one of them could start the thread of a receiver that was stopped already.
    """
    tasks = tuple(connecting)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await pc.close()
    except Exception as error:
        # An offer whose parts contradict each other can leave aiortc with what it cannot close;
        # and where the event loop ends while aiortc closes by itself, it would wait for ever.
        logger.info("a connection is taken apart", exc_info=error)
        await _take_apart(pc)


async def _take_apart(pc: RTCPeerConnection) -> None:
    for receiver in pc.getReceivers():
        receiver._RTCRtpReceiver__stop_decoder()  # type: ignore[attr-defined]
    for dtls in tuple(_dtls_transports(pc)):
        for stop in (dtls.stop, dtls.transport.stop):
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await stop()
            except Exception as error:
                logger.info("a transport did not stop", exc_info=error)


class _Tap:
    """Stands where a receiver has its jitter buffer, and never yields a frame to its decoder."""

    def __init__(self, receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]) -> None:
        self._receiver: RTCRtpReceiver | None = receiver
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Pass a packet on; by now the decoder's thread runs, and is not needed."""
        if self._receiver is not None:
            self._receiver._RTCRtpReceiver__stop_decoder()  # type: ignore[attr-defined]
            self._receiver = None
        self._take(packet)
        return False, None


def tap(receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]) -> None:
    """Give the RTP packets of a receiver to a function, instead of decoding them in a thread."""
    receiver._RTCRtpReceiver__jitter_buffer = _Tap(receiver, take)  # type: ignore[attr-defined]


def use_encoder(
    sender: RTCRtpSender, make: Callable[[RTCRtpCodecParameters], Encoder | None]
) -> None:
    """Give a sender an encoder of our making, once it knows the codec and before its first frame.

    Args:
        sender: One that has not been started.
        make: Called with the negotiated codec; `None` leaves the choice to aiortc.
    """
    original = sender.send

    async def send(parameters: RTCRtpSendParameters) -> None:
        if sender._RTCRtpSender__encoder is None:  # type: ignore[attr-defined]
            sender._RTCRtpSender__encoder = make(parameters.codecs[0])  # type: ignore[attr-defined]
        await original(parameters)

    sender.send = send  # type: ignore[method-assign]


def reported_loss(sender: RTCRtpSender) -> float:
    """The fraction of our packets that the other side last reported lost (RFC 3550 §6.4.1)."""
    reports = sender._RTCRtpSender__stats.values()  # type: ignore[attr-defined]
    return next((r.fractionLost / 256 for r in reports if r.type == "remote-inbound-rtp"), 0.0)


def restrict_ports(pc: RTCPeerConnection, ports: range) -> None:
    """Bind the sockets of a connection that has not gathered yet to ports of a range.

    Raises:
        OSError: Out of `setLocalDescription`, if every port of the range is taken.
    """
    for connection in _ice_connections(pc):
        original: Any = connection.get_component_candidates

        async def gather(
            component: int,
            addresses: list[str],
            timeout: int = 5,
            connection: Connection = connection,
            original: Any = original,
        ) -> list[Candidate]:
            protocols = [
                await _bind(connection, component, address, ports) for address in addresses
            ]
            candidates = [protocol.local_candidate for protocol in protocols]
            if connection.stun_server is not None:
                candidates += await _reflexive(protocols, connection.stun_server, timeout)
            # Without addresses, what is left for aioice is the TURN server.
            relayed: list[Candidate] = await original(
                component=component, addresses=[], timeout=timeout
            )
            return candidates + relayed

        connection.get_component_candidates = gather  # type: ignore[method-assign]


async def _reflexive(
    protocols: list[StunProtocol], server: tuple[str, int], timeout: float
) -> list[Candidate]:
    """What a STUN server says of the IPv4 sockets; nothing where it does not answer in time."""

    async def ask(protocol: StunProtocol) -> Candidate | None:
        try:
            async with asyncio.timeout(timeout):
                return (await server_reflexive_candidate(protocol, server))[0]
        except (TimeoutError, OSError, stun.TransactionError):
            return None

    answers = await asyncio.gather(
        *(ask(protocol) for protocol in protocols if ":" not in protocol.local_candidate.host)
    )
    return [candidate for candidate in answers if candidate is not None]


async def _bind(connection: Connection, component: int, address: str, ports: range) -> StunProtocol:
    loop = asyncio.get_running_loop()
    start = random.randrange(len(ports))
    for port in itertools.chain(ports[start:], ports[:start]):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(connection), local_addr=(address, port)
            )
            break
        except OSError:
            continue
    else:
        raise OSError(
            f"no UDP port from {ports.start} to {ports.stop - 1} is free on {address}; "
            "widen udp_port_range: a session needs one port for each local address"
        )
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    host, port = transport.get_extra_info("sockname")[:2]
    protocol.local_candidate = Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )
    connection._protocols.append(protocol)
    return protocol
