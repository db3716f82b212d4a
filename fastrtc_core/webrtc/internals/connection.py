"""Signs of life of a connection, and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from aioice import stun
from aioice.ice import CandidatePair, Connection
from aiortc import RTCPeerConnection, RTCRtpTransceiver

from .feedback import stop_feedback
from .shared import SharedConnection

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2.0
"""How long in s a connection, or a part of it, may take to close."""


def dtls_transports(pc: RTCPeerConnection) -> set[Any]:
    """Its DTLS transports; one, with BUNDLE."""
    return pc._RTCPeerConnection__dtlsTransports  # type: ignore[attr-defined,no-any-return]


def ice_connections(pc: RTCPeerConnection) -> list[Connection]:
    """Its ICE agents that are aioice's."""
    agents = [dtls.transport._connection for dtls in dtls_transports(pc)]
    return [agent for agent in agents if isinstance(agent, Connection)]


def shared_connections(pc: RTCPeerConnection) -> list[SharedConnection]:
    """Those on a shared port."""
    agents = [dtls.transport._connection for dtls in dtls_transports(pc)]
    return [agent for agent in agents if isinstance(agent, SharedConnection)]


def shares_ports(pc: RTCPeerConnection) -> bool:
    """Whether its ICE agent is ours, on ports that others use too."""
    return bool(shared_connections(pc))


def was_reached(pc: RTCPeerConnection) -> bool:
    """Whether a connectivity check to the peer has been answered (RFC 8445 section 7.2.5).

    A lite agent, which begins no checks, was reached by one of the peer.
    """
    return any(connection.reached for connection in shared_connections(pc)) or any(
        pair.state is CandidatePair.State.SUCCEEDED
        for connection in ice_connections(pc)
        for pair in connection._check_list
    )


async def probe(pc: RTCPeerConnection) -> bool:
    """Ask the peer for a sign of life with one STUN request on the selected pair (RFC 7675).

    Returns:
        Whether it answered, within half a second.
    """
    for shared in shared_connections(pc):
        if await shared.probe():
            return True
    for connection in ice_connections(pc):
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
    for dtls in dtls_transports(pc):
        stop_feedback(dtls)
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


class BeforeOffer(NamedTuple):
    """What a connection was before an offer of the other side.

    Attributes:
        places: Its transceivers, and the section of each.
        data: The section of data channels.
        description: What the other side has said of all of them.
    """

    places: dict[RTCRtpTransceiver, Any]
    data: int | None
    description: Any


def before_offer(pc: RTCPeerConnection) -> BeforeOffer:
    """What `undo_offer` needs."""
    private: Any = pc
    # aiortc leaves the first offer, and each later one, with those that wait for an answer.
    description = private._RTCPeerConnection__pendingRemoteDescription
    places = {t: t._get_mline_index() for t in pc.getTransceivers()}
    return BeforeOffer(places, private._RTCPeerConnection__sctp_mline_index, description)


async def undo_offer(pc: RTCPeerConnection, before: BeforeOffer) -> list[RTCRtpTransceiver]:
    """Forget what an offer of the other side brought that could not be answered.

    aiortc knows no rollback (RFC 8829 section 5.7), and would go on with the sections that it made
    of the first part of such an offer.

    Args:
        pc: The connection.
        before: What it was before the offer.

    Returns:
        The transceivers that are gone.
    """
    private: Any = pc
    gone = [transceiver for transceiver in pc.getTransceivers() if transceiver not in before.places]
    await retire(pc, gone)
    if pc.signalingState == "have-remote-offer":
        # A task that connects may be about to look there for sections that go on.
        private._RTCPeerConnection__pendingRemoteDescription = before.description
        private._RTCPeerConnection__sctp_mline_index = before.data
        for transceiver, place in before.places.items():
            transceiver._set_mline_index(place)
        private._RTCPeerConnection__setSignalingState("stable")
    return gone


async def retire(pc: RTCPeerConnection, gone: Collection[RTCRtpTransceiver]) -> None:
    """Forget sections for good; aiortc keeps those that are stopped, and starts them again.

    Args:
        pc: The connection.
        gone: Its transceivers of these sections. Each ends, and with it a transport that no other
            section shares.
    """
    private: Any = pc
    transceivers: list[RTCRtpTransceiver] = private._RTCPeerConnection__transceivers
    transports = {t.receiver.transport for t in transceivers if t not in gone}
    if pc.sctp is not None:
        transports.add(pc.sctp.transport)
    for transceiver in gone:
        transceivers.remove(transceiver)
        private._RTCPeerConnection__remoteDtls.pop(transceiver, None)
        private._RTCPeerConnection__remoteIce.pop(transceiver, None)
        await transceiver.stop()
        if (track := transceiver.receiver.track) is not None:
            track._queue.put_nowait(None)  # type: ignore[attr-defined]  # its end
        dtls = transceiver.receiver.transport
        if dtls not in transports:
            await dtls.stop()
            await dtls.transport.stop()
            private._RTCPeerConnection__dtlsTransports.discard(dtls)
            private._RTCPeerConnection__iceTransports.discard(dtls.transport)


async def _take_apart(pc: RTCPeerConnection) -> None:
    for receiver in pc.getReceivers():
        receiver._RTCRtpReceiver__stop_decoder()  # type: ignore[attr-defined]
        _cancel(receiver._RTCRtpReceiver__rtcp_task)  # type: ignore[attr-defined]
    for sender in pc.getSenders():
        _cancel(sender._RTCRtpSender__rtp_task)  # type: ignore[attr-defined]
        _cancel(sender._RTCRtpSender__rtcp_task)  # type: ignore[attr-defined]
    for dtls in tuple(dtls_transports(pc)):
        for stop in (dtls.stop, dtls.transport.stop):
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await stop()
            except Exception as error:
                logger.info("a transport did not stop", exc_info=error)


def _cancel(task: asyncio.Future[None] | None) -> None:
    if task is not None:
        task.cancel()
