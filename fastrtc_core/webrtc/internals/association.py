"""What an admitted client may send over SCTP: its announced window, and messages of 256 KiB.

aiortc announces both and enforces neither; what it does for a chunk takes time with the number of
chunks that wait. This module stands where aiortc takes DATA, FORWARD-TSN and SACK.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from aiortc.rtcsctptransport import (
    DATA_CHANNEL_OPEN,
    LOCAL_MAX_MESSAGE_SIZE,
    SCTP_DATA_LAST_FRAG,
    WEBRTC_DCEP,
    SackChunk,
)

from ..reassembly import MessageTooLongError, Piece, Reassembly, SctpMessage
from .gate import PacketIntake

logger = logging.getLogger(__name__)

WINDOW = 1 << 20
"""Bytes that may wait for those before them: what aiortc announces."""

MAX_PIECES = 2048
"""Pieces that may wait; so that many small ones take no more memory than a few large ones."""

MAX_GAPS = 128
"""Gaps that may be open. All are named in each acknowledgement, and must fit into one packet."""

MAX_STREAMS = 1024
"""Streams of the other side; browsers use the ids below this."""

MAX_CHANNELS = 64
"""Data channels that are open at once."""

MAX_OPEN = 4096
"""Bytes of the request to open a data channel, its label included."""

MAX_ANSWERS = 256
"""Messages on their way, above which no further channel is opened."""

_TSN = 1 << 32
_MAX_DUPLICATES = 16


class AssociationError(Exception):
    """The other side breaks what was agreed, and there is no going on."""


def unacknowledged(channel: Any) -> int:
    """How many messages of a data channel have not arrived, as far as is known: the latest ones.

    What came after one that is missing has arrived, perhaps, but nobody has got it (RFC 9260
    section 6.6).
    """
    sctp = channel.transport
    waiting: list[bool] = [one is channel for one, *_ in sctp._data_channel_queue]
    waiting += [
        chunk.stream_id == channel.id
        and chunk.protocol != WEBRTC_DCEP
        and bool(chunk.flags & SCTP_DATA_LAST_FRAG)
        for queue in (sctp._sent_queue, sctp._outbound_queue)
        for chunk in queue
    ]
    return sum(waiting)


def bound_association(sctp: Any, gate: Callable[[], PacketIntake]) -> None:
    """Enforce the bounds on an association that has not started.

    Args:
        sctp: The `RTCSctpTransport`.
        gate: The gate of its DTLS transport, which BUNDLE may still exchange.
    """
    association = _Association(sctp, gate)
    sctp._inbound_streams_max = MAX_STREAMS
    sctp._inbound_streams = _Streams(association.reset)
    sctp._handle_data = association.take_packet
    sctp._receive_data_chunk = association.take_data
    sctp._receive_forward_tsn_chunk = association.take_forward_tsn
    sctp._receive_sack_chunk = association.take_sack
    sctp._send_sack = association.send_sack
    sctp._data_channel_receive = association.take_message


class _Streams(dict[int, Any]):
    """Stands where aiortc keeps its streams, and hears which of them are reset."""

    def __init__(self, reset: Callable[[int], None]) -> None:
        super().__init__()
        self._reset = reset

    def pop(self, stream: int, default: Any = None) -> Any:
        self._reset(stream)
        return default


class _Association:
    def __init__(self, sctp: Any, gate: Callable[[], PacketIntake]) -> None:
        self._sctp = sctp
        self._gate = gate
        self._handle = sctp._handle_data
        self._take_sack = sctp._receive_sack_chunk
        self._take_message = sctp._data_channel_receive
        self._ended = False
        self._begin()

    def _begin(self) -> None:
        """Begin where the other side said that it begins to count."""
        self.reassembly = Reassembly(LOCAL_MAX_MESSAGE_SIZE)
        self._received: int = self._sctp._last_received_tsn or 0
        """The last number up to which everything has come, counted on beyond 32 bits."""
        self._gaps: list[list[int]] = []
        """What has come beyond it: first and last number of each stretch."""
        self._refused = 0
        """Bytes that had no room, since something was received in order."""

    def reset(self, stream: int) -> None:
        """Count the messages of a stream from 0 again."""
        self.reassembly.reset(stream)

    async def take_packet(self, data: bytes) -> None:
        """Take a packet; what breaks the bounds ends the association."""
        self._gate().heard += 1
        try:
            await self._handle(data)
        except (AssociationError, MessageTooLongError) as error:
            self._ended = True
            self._gate().dropped["associations"] += 1
            logger.warning("the data channels of a client are closed: %s", error)
            await self._sctp.stop()

    async def take_data(self, chunk: Any) -> None:
        """Take a DATA chunk (RFC 9260 section 6.2)."""
        sctp = self._sctp
        if not self._synchronise():
            return
        sctp._sack_needed = True
        ahead = (chunk.tsn - self._received) % _TSN
        tsn = self._received + ahead
        if ahead == 0 or ahead >= _TSN // 2 or self._has(tsn):
            if len(sctp._sack_duplicates) < _MAX_DUPLICATES:
                sctp._sack_duplicates.append(chunk.tsn)
            return
        if not self._has_room(tsn, len(chunk.user_data)):
            self._gate().dropped["SCTP chunks"] += 1
            return
        self._note(tsn, tsn)
        if chunk.stream_id < MAX_STREAMS:
            piece = Piece(
                tsn,
                chunk.flags,
                chunk.stream_id,
                chunk.stream_seq,
                chunk.protocol,
                chunk.user_data,
            )
            await self._deliver(self.reassembly.push(piece))
        await sctp._reset_deferred_streams()

    async def take_forward_tsn(self, chunk: Any) -> None:
        """Take a FORWARD-TSN chunk (RFC 3758 section 3.6)."""
        sctp = self._sctp
        if not self._synchronise():
            return
        sctp._sack_needed = True
        ahead = (chunk.cumulative_tsn - self._received) % _TSN
        if ahead == 0 or ahead >= _TSN // 2:
            return
        tsn = self._received + ahead
        while self._gaps and self._gaps[0][0] <= tsn + 1:
            tsn = max(tsn, self._gaps.pop(0)[1])
        self._advance(tsn)
        streams = [pair for pair in chunk.streams if pair[0] < MAX_STREAMS]
        await self._deliver(self.reassembly.forward(tsn, streams))
        await sctp._reset_deferred_streams()

    async def take_sack(self, chunk: Any) -> None:
        """Take an acknowledgement, of nothing but what was sent (RFC 9260 section 3.3.4).

        aiortc goes through each number that it names, 65,536 for each of 290 stretches at most.
        """
        outstanding = (self._sctp._local_tsn - 1 - chunk.cumulative_tsn) % _TSN
        if outstanding >= _TSN // 2:
            return
        gaps: list[tuple[int, int]] = []
        beyond = 0
        for first, last in chunk.gaps:
            first, last = max(first, beyond + 1), min(last, outstanding)
            if first <= last:
                gaps.append((first, last))
                beyond = last
        chunk.gaps = gaps
        await self._take_sack(chunk)

    async def send_sack(self) -> None:
        """Acknowledge what has come."""
        sctp = self._sctp
        sctp._sack_needed = False
        if not self._synchronise():
            return
        sack = SackChunk()
        sack.cumulative_tsn = sctp._last_received_tsn
        sack.advertised_rwnd = max(0, WINDOW - self.reassembly.held)
        sack.duplicates = sctp._sack_duplicates[:]
        offsets = [(first - self._received, last - self._received) for first, last in self._gaps]
        sack.gaps = [(first, last) for first, last in offsets if last < 1 << 16]
        sctp._sack_duplicates.clear()
        await sctp._send_chunk(sack)

    async def take_message(self, stream: int, protocol: int, data: bytes) -> None:
        """Take a message; a request for one channel too many is not answered."""
        sctp = self._sctp
        opens = protocol == WEBRTC_DCEP and data[:1] == bytes([DATA_CHANNEL_OPEN])
        if opens and (
            len(sctp._data_channels) >= MAX_CHANNELS
            or len(sctp._data_channel_queue) >= MAX_ANSWERS
            or len(data) > MAX_OPEN
        ):
            self._gate().dropped["data channels"] += 1
            return
        await self._take_message(stream, protocol, data)

    async def _deliver(self, messages: Iterable[SctpMessage]) -> None:
        self._sctp._advertised_rwnd = WINDOW - self.reassembly.held
        for message in messages:
            try:
                await self._sctp._receive(*message)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._gate().dropped["damaged messages"] += 1
                logger.info("a damaged message was dropped", exc_info=error)

    # Numbers

    def _synchronise(self) -> bool:
        """Begin anew where the association has; `False` where there is none."""
        if self._ended or self._sctp._last_received_tsn is None:
            return False
        if self._sctp._last_received_tsn != self._received % _TSN:
            self._begin()
        return True

    def _has(self, tsn: int) -> bool:
        position = bisect_left(self._gaps, [tsn + 1])
        return position > 0 and self._gaps[position - 1][1] >= tsn

    def _has_room(self, tsn: int, size: int) -> bool:
        """Whether a chunk may be kept; one without room is as good as lost.

        Raises:
            AssociationError: If no other chunk can make room for it.
        """
        held, pieces = self.reassembly.held + size, self.reassembly.pieces + 1
        if tsn == self._received + 1:  # what waits may be waiting for this
            if held > WINDOW + LOCAL_MAX_MESSAGE_SIZE or pieces > 2 * MAX_PIECES:
                raise AssociationError(f"more than {WINDOW} bytes wait for what does not come")
            return True
        if (
            held <= WINDOW
            and pieces <= MAX_PIECES
            and tsn - self._received < 1 << 16
            and (len(self._gaps) < MAX_GAPS or self._has(tsn - 1) or self._has(tsn + 1))
        ):
            return True
        self._refused += size
        if self._refused > WINDOW:
            raise AssociationError(f"more than the window of {WINDOW} bytes was sent")
        return False

    def _note(self, first: int, last: int) -> None:
        """Note that something has come."""
        if first == self._received + 1:
            if self._gaps and self._gaps[0][0] == last + 1:
                last = self._gaps.pop(0)[1]
            self._advance(last)
            return
        gaps = self._gaps
        position = bisect_left(gaps, [first])
        if position < len(gaps) and gaps[position][0] == last + 1:
            last = gaps.pop(position)[1]
        if position > 0 and gaps[position - 1][1] == first - 1:
            gaps[position - 1][1] = last
        else:
            gaps.insert(position, [first, last])

    def _advance(self, tsn: int) -> None:
        self._received = tsn
        self._refused = 0
        self._sctp._last_received_tsn = tsn % _TSN
