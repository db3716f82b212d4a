"""What goes out over one transport: numbered, and at the bit rate that is heard of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from aiortc import RTCPeerConnection

from ...media.line_estimate import LineEstimate, Probe
from ...media.sent_packets import SentPackets, split_feedback

ACTIVE = 2.0
"""Time in s after its last picture for which a sender has its share of the bit rate."""

FORGET = 3.0
"""Time in s after which nothing will be heard of a packet."""


class BitRates(NamedTuple):
    """Bit rates of a sender, in bit/s.

    Attributes:
        start: What it begins with.
        low, high: Its bounds.
    """

    start: int
    low: int
    high: int


class Sending(Protocol):
    """A sender on a line."""

    bit_rates: BitRates
    last_sent: float
    line: Line | None
    wanted: float
    """What it would send if the line carried it, in bit/s; 0 if that is what it sends anyway."""

    def take_number(self, number: int) -> None:
        """Have a header extension of this id on each packet."""


def number_packets(pc: RTCPeerConnection, agreed: Mapping[str, int]) -> None:
    """Number the packets of video of a connection, and take the feedback about them; idempotent.

    Args:
        pc: The connection, which has both descriptions.
        agreed: The ids of the header extension with the numbers of packets, by mid.
    """
    for transceiver in pc.getTransceivers():
        number = agreed.get(transceiver.mid or "")
        flow: Sending | None = vars(transceiver.sender).get("_fastrtc_flow")
        if number is None or flow is None:
            continue
        dtls: Any = transceiver.sender.transport
        line: Line | None = vars(dtls).get("_fastrtc_line")
        if line is None:
            line = dtls._fastrtc_line = Line(dtls)
        if flow.line is not line:
            line.add(flow)
        flow.take_number(number)


class Line:
    """Numbers the packets of a transport, and takes the feedback about them.

    Only video is numbered: audio has one rate, whatever the line, and is spared the eight bytes.

    Args:
        dtls: The transport.

    Attributes:
        heard: Whether there has been any feedback: the other side may have agreed, and send none.
    """

    def __init__(self, dtls: Any) -> None:
        self.heard = False
        self._sent = SentPackets()
        self._flows: list[Sending] = []
        self._estimate = LineEstimate(1, 1, 1)
        self._now = asyncio.get_running_loop().time
        dtls._handle_rtcp_data = self._taking(dtls._handle_rtcp_data)

    def add(self, flow: Sending) -> None:
        """A sender sends over it from now on."""
        if flow.line is not None:
            flow.line.remove(flow)
        flow.line = self
        self._flows.append(flow)
        self._bound()

    def remove(self, flow: Sending) -> None:
        """It does no longer; idempotent."""
        if flow in self._flows:
            self._flows.remove(flow)
            self._bound()

    def _bound(self) -> None:
        rates = [flow.bit_rates for flow in self._flows]
        if not rates:
            return
        start, low, high = (sum(alike) for alike in zip(*rates, strict=True))
        if self.heard:
            self._estimate.set_bounds(low, high)
        else:
            self._estimate = LineEstimate(start, low, high)

    @property
    def bit_rate(self) -> float:
        """What all of its senders may send, in bit/s."""
        return self._estimate.bit_rate

    def share_of(self, flow: Sending) -> float:
        """What one of its senders may send, in bit/s."""
        return self._estimate.bit_rate / self._sharing(flow)

    def _sharing(self, flow: Sending) -> int:
        """Among how many senders the bit rate is divided, if this is one of them."""
        since = self._now() - ACTIVE
        return 1 + sum(other.last_sent > since for other in self._flows if other is not flow)

    @property
    def strained(self) -> bool:
        """See `LineEstimate.strained`."""
        return self._estimate.strained(self._now())

    def note(self, size: int, probe: int = 0) -> int:
        """A packet of so many bytes is sent; its number."""
        return self._sent.note(size, self._now(), probe)

    def hold(self) -> float:
        """For how long in s the next picture has to wait; see `LineEstimate.hold`."""
        now = self._now()
        self._sent.forget_before(now - FORGET)
        self._estimate.check(self._sent.silence(now), now)
        return self._estimate.hold(self._sent.in_flight, now)

    def next_probe(self, flow: Sending) -> Probe | None:
        """See `LineEstimate.next_probe`; one of its senders is asked to send it."""
        return self._estimate.next_probe(self._now(), flow.wanted * self._sharing(flow))

    def _taking(self, take: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        async def take_rtcp(data: bytes) -> None:
            # aiortc would read it as packets that are lost, and drop all of the datagram.
            reports, rest = split_feedback(data)
            now = self._now()
            for report in reports:
                if fates := self._sent.take(report, now):
                    self.heard = True
                    self._estimate.take(fates, now)
            await take(rest)

        return take_rtcp
