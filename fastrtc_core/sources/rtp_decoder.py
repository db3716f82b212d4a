"""From the packets of one RTP stream to samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from ..media.libopus import OpusDecoder, OpusError, samples_in
from .unpacking import Unpacker

MAX_CONCEALED = 0.1
"""Longest hole in s that Opus conceals; after that it would only make noise."""

OPUS_RATE = 48000
"""Clock of RTP timestamps of Opus in Hz (RFC 7587 section 4.1)."""


class Decoded(NamedTuple):
    """Samples, and when they were taken.

    Attributes:
        pts: Index of the first on the RTP clock.
        data: int16 of shape `(channels, samples)`.
        concealed: Whether they stand for lost ones.
    """

    pts: int
    data: NDArray[np.int16]
    concealed: bool = False


class PacketDecoder(Protocol):
    """Decodes one stream."""

    def decode(self, packet: av.Packet[Any]) -> Iterator[Decoded]:
        """Yields what is in a packet; nothing if it is damaged."""


class FrameDecoder:
    """Decodes with FFmpeg: PCM, G.711, G.722, and whatever else it knows."""

    def __init__(self) -> None:
        self._unpack = Unpacker()

    def decode(self, packet: av.Packet[Any]) -> Iterator[Decoded]:
        """Yields what is in a packet; nothing if it is damaged."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return
        for frame in frames:
            if (
                isinstance(frame, av.AudioFrame)
                and frame.pts is not None
                and frame.time_base is not None
            ):
                yield Decoded(round(frame.pts * frame.time_base * frame.rate), self._unpack(frame))


class OpusPackets:
    """Decodes with libopus, which makes up for what is lost.

    Args:
        num_channels: 1 or 2.
    """

    def __init__(self, num_channels: int) -> None:
        self._channels = num_channels
        self._decoder = OpusDecoder(OPUS_RATE, num_channels)
        self._next: int | None = None

    def decode(self, packet: av.Packet[Any]) -> Iterator[Decoded]:
        """Yields what stands for a hole before a packet, and what is in it."""
        payload = bytes(packet)
        try:
            count = samples_in(payload, OPUS_RATE)
        except OpusError:
            return
        if packet.pts is None or packet.time_base is None:
            return
        pts = round(packet.pts * packet.time_base * OPUS_RATE)
        missing = 0 if self._next is None else pts - self._next
        if 0 < missing <= MAX_CONCEALED * OPUS_RATE:
            yield from self._fill(pts, missing, count, payload)
        elif missing:
            self._decoder.reset()
        try:
            data = self._decoder.decode(payload)
        except OpusError:
            return
        self._next = pts + data.shape[1]
        yield Decoded(pts, data)

    def _fill(self, pts: int, missing: int, count: int, payload: bytes) -> Iterator[Decoded]:
        """Conceal all of the hole but its last packet, which may be in this one as FEC."""
        at = pts - missing
        try:
            while pts - at > count:
                size = min(count, pts - at - count)
                yield Decoded(at, self._decoder.conceal(size), concealed=True)
                at += size
            yield Decoded(at, self._decoder.recover(payload, pts - at), concealed=True)
        except OpusError:
            return  # a hole of no length that Opus knows stays one
