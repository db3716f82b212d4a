"""Guards a connection against strangers, and against what an admitted client may send."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCPeerConnection

from .association import bound_association
from .connection import dtls_transports
from .fingerprints import accept_one_of_several
from .gate import Gate, MayCheck, PacketIntake, gate_of
from .shared import SharedConnection
from .sources import bound_sender, bound_sources

logger = logging.getLogger(__name__)


def guard(pc: RTCPeerConnection, may_check: MayCheck | None) -> None:
    """Guard the parts that a connection has by now; idempotent.

    Args:
        pc: A connection. Guard it before it gathers candidates, when nothing is let in yet, and
            again when it has, and so has its sockets.
        may_check: Which candidates of the other side may be checked; `None` for all.
    """
    for dtls in dtls_transports(pc):
        if "_fastrtc_gate" not in vars(dtls):
            dtls._fastrtc_gate = gate = _gate(dtls, may_check)
            dtls._recv_next = _dropping_damaged(dtls._recv_next)
            bound_sources(dtls, gate)
            accept_one_of_several(dtls)
        gate_of(dtls).watch_sockets()
    for sender in pc.getSenders():
        bound_sender(sender)
    if pc.sctp is not None and "_handle_data" not in vars(pc.sctp):
        bound_association(pc.sctp, lambda: gate_of(pc.sctp.transport))  # type: ignore[union-attr]


def dropped(pc: RTCPeerConnection) -> Counter[str]:
    """What was dropped before it reached a connection, by reason."""
    total: Counter[str] = Counter()
    for gate in _gates(pc):
        total += gate.all_dropped()
    return total


def packets_heard(pc: RTCPeerConnection) -> int:
    """Authenticated packets that have come: RTP, RTCP, data, and checks of ICE.

    It may become less, where a source is forgotten.
    """
    packets = sum(gate.heard for gate in _gates(pc))
    for receiver in pc.getReceivers():
        private: Any = receiver
        streams = private._RTCRtpReceiver__remote_streams.values()
        packets += sum(counts.packets_received for counts in streams)
    return packets


def _gate(dtls: Any, may_check: MayCheck | None) -> PacketIntake:
    ice = dtls.transport._connection
    return ice.intake if isinstance(ice, SharedConnection) else Gate(dtls, may_check)


def _gates(pc: RTCPeerConnection) -> list[PacketIntake]:
    """The gates that there are; while an offer is taken, a transport may have none yet."""
    return [gate_of(dtls) for dtls in dtls_transports(pc) if "_fastrtc_gate" in vars(dtls)]


def _dropping_damaged(
    receive_next: Callable[[], Awaitable[None]],
) -> Callable[[], Awaitable[None]]:
    """Keep a connection alive whatever aiortc's parsers raise beyond `ValueError`."""

    async def receive() -> None:
        try:
            await receive_next()
        except ConnectionError:
            raise  # the connection has ended
        except Exception as error:
            logger.info("a damaged packet was dropped", exc_info=error)

    return receive
