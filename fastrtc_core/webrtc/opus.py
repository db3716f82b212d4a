"""Outgoing audio as Opus packets (RFC 6716, RFC 7587)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

from ..media.resampler import Resampler
from ..tracks import TimedAudioFrame

CLOCK_RATE = 48000
"""RTP clock rate of Opus in Hz, whatever the rate of the audio (RFC 7587 section 4.1)."""

NATIVE_RATES = (8000, 12000, 16000, 24000, 48000)
"""Rates in Hz that Opus takes as they are."""

BIT_RATES = {1: 64_000, 2: 128_000}
"""Bits per second for mono and stereo."""

_TIME_BASE = Fraction(1, CLOCK_RATE)


class OpusEncoder:
    """Encodes the frames of one local track, at their own rate where Opus knows it.

    Args:
        sample_rate: Rate of the frames in Hz.
        num_channels: 1 or 2.
    """

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        self._in_rate = sample_rate
        self._rate = sample_rate if sample_rate in NATIVE_RATES else CLOCK_RATE
        self._layout = "mono" if num_channels == 1 else "stereo"
        self._num_channels = num_channels
        self._resampler = Resampler(self._in_rate, self._rate, num_channels)
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = self._rate
        self._codec.layout = self._layout
        self._codec.format = "s16"
        self._codec.bit_rate = BIT_RATES[num_channels]
        self._codec.time_base = Fraction(1, self._rate)
        # The mode with the least algorithmic delay: 2.5 ms of look-ahead instead of 6.5 ms.
        self._codec.options = {"application": "lowdelay", "compression_level": "5"}
        self._encoded = 0

    def encode(self, timed: TimedAudioFrame) -> list[av.Packet[Any]]:
        """Encode 20 ms; the packets carry the time of the frame at 48 kHz."""
        if timed.resumed:
            self._resampler.flush()
        data = self._resampler.push(timed.data)
        missing = self._rate // 50 - data.shape[1]
        if missing > 0:  # the resampler has just started and holds back 1 ms
            data = np.pad(data, ((0, 0), (missing, 0)))
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(data.T).reshape(1, -1), format="s16", layout=self._layout
        )
        frame.sample_rate = self._rate
        frame.pts = self._encoded
        frame.time_base = Fraction(1, self._rate)
        self._encoded += data.shape[1]
        packets: list[av.Packet[Any]] = []
        for packet in self._codec.encode(frame):
            packet.pts = timed.timestamp * CLOCK_RATE // self._in_rate
            packet.time_base = _TIME_BASE
            packets.append(packet)
        return packets
