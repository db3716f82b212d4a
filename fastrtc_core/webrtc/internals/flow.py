"""The packets of one sender of video: when each leaves, and at which bit rate they are made."""

from __future__ import annotations

import asyncio
from typing import Any

from aiortc import RTCRtpSender, clock
from aiortc.rtp import RTP_HISTORY_SIZE, RtpPacket, wrap_rtx
from aiortc.utils import uint16_add

from ...media.picture_pacing import PicturePacer
from .line import BitRates, Line

OVERHEAD = 60
"""Bytes of the headers of a packet, from IP on."""

PAYLOAD = 0.95
"""The share of it that is not headers, about."""

WORTH_A_WAIT = 0.001
"""Time in s; for less than that no packet waits."""

RECENT = 20
"""Of how many packets one is chosen that is sent again for a probe."""

MAX_HOLD = 1.0
"""For how long in s a picture is held back at most."""


class Flow:
    """Sends packets for a sender, as its line and what the other side says allow.

    Args:
        sender: One of video, that has not been started.
        bit_rates: What to begin with, and its bounds.
        forwards: Whether the pictures are made elsewhere. What the other side says that it can take
            is no reason to delay these: it follows what it gets, and so may be far too little.

    Attributes:
        line: What it sends over, once feedback about that was agreed.
        wanted: What would be sent if the line carried it, in bit/s; 0 if that is what is sent.
        last_sent: When it sent its last picture, in s.
        held: For how long in s the next picture was held back.
    """

    def __init__(
        self, sender: RTCRtpSender, bit_rates: BitRates, *, forwards: bool = False
    ) -> None:
        private: Any = sender
        self.bit_rates = bit_rates
        self._forwards = forwards
        self.line: Line | None = None
        self.wanted = 0.0
        self.last_sent = float("-inf")
        self.held = 0.0
        self._blocked = 0.0
        self._sender = private
        self._told: int | None = None
        self._pacer = PicturePacer()
        self._loop = asyncio.get_running_loop()
        private._fastrtc_flow = self
        private._RTCRtpSender__encoder = self  # it is told what the other side can take
        private._retransmit = self._retransmit

    @property
    def target_bitrate(self) -> int:
        """What may be sent, in bit/s. aiortc sets it to what the other side says (REMB)."""
        _, low, high = self.bit_rates
        if self.line is not None and self.line.heard:
            rate = int(self.line.share_of(self))
        else:
            rate = self.bit_rates.start if self._told is None else self._told
        return max(low, min(high, rate))

    @target_bitrate.setter
    def target_bitrate(self, bit_rate: int) -> None:
        self._told = bit_rate

    @property
    def carries(self) -> float | None:
        """What the line carries, in bit/s; `None` if nothing will be heard of it.

        An estimate of the other side (REMB) is none of the line: it follows what is sent.
        """
        return None if self.line is None else float(self.target_bitrate)

    @property
    def encoder_bit_rate(self) -> int:
        """What pictures may have, without the headers of their packets, in bit/s."""
        return int(self.target_bitrate * (PAYLOAD if self._hears else 1))

    @property
    def _hears(self) -> bool:
        """Whether it is the line that says what may be sent."""
        return self.line is not None and self.line.heard

    def close(self) -> None:
        """Send nothing any more; idempotent."""
        if self.line is not None:
            self.line.remove(self)

    def take_number(self, number: int) -> None:
        """Have a header extension of this id on each packet."""
        extensions = self._sender._RTCRtpSender__rtp_header_extensions_map
        extensions._HeaderExtensionsMap__ids.transport_sequence_number = number

    async def wait_for_room(self) -> None:
        """Wait until the line can take a picture; what comes meanwhile, its source decides upon."""
        line = self.line
        if line is None:
            return
        begin = self._loop.time()
        self.held = 0.0
        while (wait := line.hold()) > WORTH_A_WAIT and self.held < MAX_HOLD:
            await asyncio.sleep(min(wait, 0.05))
            self.held = self._loop.time() - begin
        self._blocked += self.held

    def take_blocked(self) -> float:
        """For how long in s no picture could be taken, since the last call of this."""
        blocked, self._blocked = self._blocked, 0.0
        return blocked

    async def send(self, packets: list[RtpPacket]) -> None:
        """Send the packets of a picture, those of a large one bit by bit."""
        sizes = [len(packet.payload) + OVERHEAD for packet in packets]
        line, pacer, loop = self.line, self._pacer, self._loop
        strained = line is not None and line.strained
        unknown = self._forwards and not self._hears
        bit_rate = self.bit_rates.high if unknown else self.target_bitrate
        begin = loop.time()
        pacer.begin(sum(sizes), bit_rate, strained, begin)
        for packet, size in zip(packets, sizes, strict=True):
            if (wait := pacer.wait(size, loop.time())) > WORTH_A_WAIT:
                await asyncio.sleep(wait)
            await self._send(packet, size)
        if line is not None and packets:
            await self._probe(line, packets[-1].sequence_number)
        self.last_sent = loop.time()
        self._blocked += self.last_sent - begin

    async def _send(self, packet: RtpPacket, size: int) -> None:
        sender = self._sender
        sender._RTCRtpSender__rtp_history[packet.sequence_number % RTP_HISTORY_SIZE] = packet
        await self._transmit(packet, size)
        sender._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()
        sender._RTCRtpSender__rtp_timestamp = packet.timestamp
        sender._RTCRtpSender__octet_count += len(packet.payload)
        sender._RTCRtpSender__packet_count += 1

    async def _transmit(self, packet: RtpPacket, size: int, probe: int = 0) -> None:
        sender = self._sender
        extensions = packet.extensions
        extensions.abs_send_time = (clock.current_ntp_time() >> 14) & 0x00FFFFFF
        extensions.mid = sender._RTCRtpSender__mid
        if self.line is not None:
            extensions.transport_sequence_number = self.line.note(size, probe)
        await sender.transport._send_rtp(
            packet.serialize(sender._RTCRtpSender__rtp_header_extensions_map)
        )

    async def _retransmit(self, sequence_number: int) -> None:
        """Send a packet again that was lost (RFC 4585 section 6.2.1), before any picture."""
        packet = self._sender._RTCRtpSender__rtp_history.get(sequence_number % RTP_HISTORY_SIZE)
        if packet is None or packet.sequence_number != sequence_number:
            return
        size = len(packet.payload) + OVERHEAD
        self._pacer.charge(size, self._loop.time())
        await self._transmit(self._again(packet), size)

    def _again(self, packet: RtpPacket) -> RtpPacket:
        """A packet as it is sent again, in a form of its own if that was agreed (RFC 4588)."""
        sender = self._sender
        payload_type = sender._RTCRtpSender__rtx_payload_type
        if payload_type is None:
            return packet
        number = sender._RTCRtpSender__rtx_sequence_number
        sender._RTCRtpSender__rtx_sequence_number = uint16_add(number, 1)
        return wrap_rtx(
            packet, payload_type=payload_type, sequence_number=number, ssrc=sender._rtx_ssrc
        )

    async def _probe(self, line: Line, latest: int) -> None:
        """Send one of the last packets again and again, which the other side knows, and drops.

        If it is time, and the other side knows the form in which it can be told from the first.
        """
        if self._sender._RTCRtpSender__rtx_payload_type is None:
            return
        if (probe := line.next_probe(self)) is None:
            return
        history = self._sender._RTCRtpSender__rtp_history
        recent = [history.get((latest - back) % RTP_HISTORY_SIZE) for back in range(RECENT)]
        packet = min(
            (one for one in recent if one is not None),
            key=lambda one: abs(len(one.payload) - probe.size),
        )
        size = len(packet.payload) + OVERHEAD
        begin = self._loop.time()
        for place in range(probe.packets):
            wait = begin + place * 8 * size / probe.bit_rate - self._loop.time()
            if wait > WORTH_A_WAIT:
                await asyncio.sleep(wait)
            await self._transmit(self._again(packet), size, probe.number)
