"""Feedback about all packets of a transport, past aiortc, which has only an estimate of its own.

That estimate (REMB) begins at 300 kb/s and grows by 8 % in a second, and libwebrtc never sends more
than it says. So it is not sent to whom gets feedback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from aiortc import RTCPeerConnection

from ...media.rtp import find_extension
from ...media.transport_feedback import ArrivalRecorder

INTERVAL = 0.05
"""Time in s from a packet to the feedback about it, and about all that come meanwhile."""

_RECEIVING = ("sendrecv", "recvonly")

Run = Callable[[Coroutine[Any, Any, None]], None]


def send_feedback(pc: RTCPeerConnection, agreed: Mapping[str, int], run: Run) -> None:
    """Send feedback about what comes in; idempotent.

    Args:
        pc: The connection, which has both descriptions.
        agreed: The ids of the header extension with the numbers of packets, by mid.
        run: Runs a coroutine while the connection stands.
    """
    for transceiver in pc.getTransceivers():
        receiver: Any = transceiver.receiver
        number = agreed.get(transceiver.mid or "")
        if number is not None and transceiver.currentDirection in _RECEIVING:
            feedback = _feedback_of(receiver.transport)
            if feedback is None:
                sender = transceiver.sender._ssrc
                feedback = TransportFeedback(receiver.transport, sender, run)
            feedback.number = number
            _prefer(feedback, receiver)
        if not any(f.type == "goog-remb" for c in transceiver._codecs for f in c.rtcpFeedback):
            # aiortc sends its estimate wherever it can make one.
            receiver._RTCRtpReceiver__remote_bitrate_estimator = None


def stop_feedback(dtls: Any) -> None:
    """Send no more about a transport; idempotent."""
    if (feedback := _feedback_of(dtls)) is not None:
        feedback.close()


class TransportFeedback:
    """Tells the other side what has come on one transport.

    Nothing is sent where nothing has come, and no task waits for it.

    Args:
        dtls: The transport.
        sender: The SSRC of this side.
        run: Runs a coroutine while the connection stands.

    Attributes:
        number: The id of the header extension.
        heard: Whether a packet with a number has come.
    """

    def __init__(self, dtls: Any, sender: int, run: Run) -> None:
        self.number = 0
        self.heard = False
        self._dtls = dtls
        self._sender = sender
        self._run = run
        self._source = 0
        self._recorder = ArrivalRecorder()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        dtls._fastrtc_feedback = self
        if dtls._rx_srtp is not None:
            self._watch(dtls._rx_srtp)
        else:
            dtls._setup_srtp = self._setting_up(dtls._setup_srtp)

    def close(self) -> None:
        """Send no more; idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _setting_up(self, setup: Callable[[], None]) -> Callable[[], None]:
        def setup_srtp() -> None:
            setup()
            if self._dtls._rx_srtp is not None:
                self._watch(self._dtls._rx_srtp)

        return setup_srtp

    def _watch(self, srtp: Any) -> None:
        """See each packet that was found genuine, whoever takes it, be it padding alone."""
        original = srtp.unprotect

        def unprotect(data: bytes) -> bytes:
            packet: bytes = original(data)
            self._take(packet)
            return packet

        srtp.unprotect = unprotect

    def _take(self, packet: bytes) -> None:
        value = find_extension(packet, self.number)
        if value is None or len(value) != 2:
            return
        self.heard = True
        self._recorder.record(int.from_bytes(value), self._loop.time())
        self._source = int.from_bytes(packet[8:12])
        if self._timer is None and not self._closed:
            self._timer = self._loop.call_later(INTERVAL, self._report)

    def _report(self) -> None:
        self._timer = None
        self._run(self._send(self._recorder.report(self._sender, self._source)))

    async def _send(self, reports: list[bytes]) -> None:
        try:
            for report in reports:
                await self._dtls._send_rtp(report)
        except ConnectionError:
            pass  # the connection has ended


class _SecondChoice:
    """Stands where a receiver has its estimator, which is asked only where there is no feedback.

    The other side may have agreed to number its packets, and not do it.
    """

    def __init__(self, estimator: Any, feedback: TransportFeedback) -> None:
        self.ssrcs: dict[int, Any] = estimator.ssrcs
        self._estimator = estimator
        self._feedback = feedback

    def add(self, **packet: Any) -> Any:
        """What is to be sent."""
        return None if self._feedback.heard else self._estimator.add(**packet)


def _prefer(feedback: TransportFeedback, receiver: Any) -> None:
    estimator = receiver._RTCRtpReceiver__remote_bitrate_estimator
    if estimator is not None and not isinstance(estimator, _SecondChoice):
        second = _SecondChoice(estimator, feedback)
        receiver._RTCRtpReceiver__remote_bitrate_estimator = second


def _feedback_of(dtls: Any) -> TransportFeedback | None:
    feedback: TransportFeedback | None = vars(dtls).get("_fastrtc_feedback")
    return feedback
