"""Bounds on what an admitted client may send in RTP and RTCP.

aiortc and libsrtp keep a table of every source (SSRC) that they ever saw. With 32 of them the
receiver's reports no longer fit a packet, its task dies, and closing waits for it for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pylibsrtp
from aiortc import RTCRtpReceiver, RTCRtpSender

from .encoded_video import tap_of
from .gate import PacketIntake

logger = logging.getLogger(__name__)

MAX_SOURCES = 8
"""Sources of one receiver. A browser sends one, and a second one with what is sent again."""

SOURCE_IDLE = 5.0
"""Silence in s after which another source may take the place of one."""

MAX_REPORTERS = 32
"""Sources that send RTCP alone; then the one that was silent for longest is forgotten."""

RETRANSMISSIONS_PER_SECOND = 500
"""Lost packets that one sender sends again: 5 Mb/s of them."""

RETRANSMISSION_BURST = 256


def bound_sources(dtls: Any, gate: PacketIntake) -> None:
    """Bound the sources that a DTLS transport hears."""
    sources = _Sources(dtls, gate)
    dtls._rtp_router.route_rtp = sources.route
    dtls._handle_rtcp_data = sources.take_rtcp
    dtls._unregister_rtp_receiver = sources.unregister


class _Sources:
    """The sources of one DTLS transport for which anything is kept."""

    def __init__(self, dtls: Any, gate: PacketIntake) -> None:
        self._dtls = dtls
        self._gate = gate
        self._route = dtls._rtp_router.route_rtp
        self._take_rtcp = dtls._handle_rtcp_data
        self._unregister = dtls._unregister_rtp_receiver
        self._receivers: dict[int, Any] = {}
        """Who receives each source of RTP."""
        self._reporters: dict[int, None] = {}
        """Sources of RTCP, the one that spoke last at the end."""

    def route(self, packet: Any) -> Any:
        """The receiver of an RTP packet; `None` drops it."""
        receiver = self._route(packet) or self._route_by_mid(packet)
        ssrc = packet.ssrc
        if receiver is not None and (rid := packet.extensions.repaired_rtp_stream_id):
            tap = tap_of(receiver)
            if tap is not None:
                tap.note_repair(ssrc, rid)
        if ssrc in self._receivers:
            return receiver
        if receiver is None or not self._has_room(receiver):
            self._gate.dropped["packets of too many sources"] += 1
            self._forget(ssrc)
            return None
        self._receivers[ssrc] = receiver
        return receiver

    def _route_by_mid(self, packet: Any) -> Any:
        """The receiver of a source that no description names (RFC 9143 section 9.2)."""
        router = self._dtls._rtp_router
        receiver = router.mid_table.get(packet.extensions.mid)
        known = router.payload_type_table.get(packet.payload_type, ())
        if receiver not in known or packet.ssrc in router.ssrc_table:
            return None
        router.ssrc_table[packet.ssrc] = receiver
        return receiver

    async def take_rtcp(self, data: bytes) -> None:
        """Take RTCP that was decrypted."""
        self._gate.heard += 1
        ssrc = int.from_bytes(data[4:8])
        if ssrc not in self._receivers:
            self._reporters.pop(ssrc, None)
            self._reporters[ssrc] = None
            if len(self._reporters) > MAX_REPORTERS:
                self._forget(next(iter(self._reporters)))
        await self._take_rtcp(data)

    def unregister(self, receiver: Any) -> None:
        """Forget a receiver that has stopped, and its sources."""
        self._unregister(receiver)
        for ssrc in [ssrc for ssrc, other in self._receivers.items() if other is receiver]:
            self._forget(ssrc)

    def _has_room(self, receiver: Any) -> bool:
        known = [ssrc for ssrc, other in self._receivers.items() if other is receiver]
        if len(known) < MAX_SOURCES:
            return True
        now = time.time()
        idle = next((ssrc for ssrc in known if _silence(receiver, ssrc, now) > SOURCE_IDLE), None)
        if idle is None:
            return False
        self._forget(idle)
        return True

    def _forget(self, ssrc: int) -> None:
        self._reporters.pop(ssrc, None)
        receiver = self._receivers.pop(ssrc, None)
        self._dtls._rtp_router.ssrc_table.pop(ssrc, None)
        self._gate.routes.pop(ssrc.to_bytes(4), None)
        if receiver is not None:
            for name in ("active_ssrc", "lsr", "lsr_time", "remote_streams"):
                getattr(receiver, f"_RTCRtpReceiver__{name}").pop(ssrc, None)
            estimator = receiver._RTCRtpReceiver__remote_bitrate_estimator
            if estimator is not None:
                estimator.ssrcs.pop(ssrc, None)
        with contextlib.suppress(pylibsrtp.Error):  # it may have had no packet yet
            self._dtls._rx_srtp.remove_stream(ssrc)


def _silence(receiver: Any, ssrc: int, now: float) -> float:
    """For how long in s a source has sent nothing that was of use."""
    counts = receiver._RTCRtpReceiver__remote_streams.get(ssrc)
    if counts is None or counts._last_arrival is None:
        return float("inf")
    arrival: float = counts._last_arrival / counts._clockrate
    return now - arrival


def bound_receiver(receiver: RTCRtpReceiver) -> None:
    """Keep the reports of a receiver going that has not been started."""
    private: Any = receiver
    private._run_rtcp = _reporting(private, private._run_rtcp, private._RTCRtpReceiver__rtcp_exited)


def bound_sender(sender: RTCRtpSender) -> None:
    """Bound what a sender sends again, whatever it is told that was lost; idempotent."""
    private: Any = sender
    if isinstance(private._retransmit, _Retransmissions):
        return
    private._retransmit = _Retransmissions(private._retransmit)
    private._run_rtcp = _reporting(private, private._run_rtcp, private._RTCRtpSender__rtcp_exited)


class _Retransmissions:
    """A bucket of packets that may be sent again; what is asked for beyond it is not sent."""

    def __init__(self, retransmit: Callable[[int], Awaitable[None]]) -> None:
        self._retransmit = retransmit
        self._loop = asyncio.get_running_loop()
        self._tokens = float(RETRANSMISSION_BURST)
        self._filled = self._loop.time()

    async def __call__(self, sequence_number: int) -> None:
        now = self._loop.time()
        gained = (now - self._filled) * RETRANSMISSIONS_PER_SECOND
        self._tokens = min(RETRANSMISSION_BURST, self._tokens + gained)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            await self._retransmit(sequence_number)


def _reporting(
    owner: Any, run: Callable[[], Awaitable[None]], exited: asyncio.Event
) -> Callable[[], Awaitable[None]]:
    """Go on with reports after one that could not be made; whoever stops the owner waits for them.

    What does not fit into a report (RFC 3550 section 6.4.1) is the other side's doing.
    """

    async def reporting() -> None:
        try:
            while not exited.is_set():
                try:
                    await run()
                except Exception as error:
                    logger.info("%r could not report", owner, exc_info=error)
        finally:
            exited.set()

    return reporting
