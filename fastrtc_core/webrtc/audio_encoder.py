"""Outgoing audio as Opus packets (RFC 6716, RFC 7587)."""

from __future__ import annotations

import numpy as np

from ..media.libopus import NATIVE_RATES, OpusEncoder
from ..media.resampler import Resampler
from ..tracks import TimedAudioFrame
from .internals import EncodedFrame
from .options import AudioOptions

CLOCK_RATE = 48000
"""RTP clock rate of Opus in Hz, whatever the rate of the audio (RFC 7587 section 4.1)."""


class AudioTrackEncoder:
    """Encodes the frames of one local track, at their own rate where Opus knows it.

    Args:
        sample_rate: Rate of the frames in Hz.
        num_channels: 1 or 2.
        options: Settings of the encoder.
    """

    def __init__(
        self, sample_rate: int, num_channels: int, options: AudioOptions | None = None
    ) -> None:
        options = options or AudioOptions()
        self._fec = options.fec
        self._in_rate = sample_rate
        rate = sample_rate if sample_rate in NATIVE_RATES else CLOCK_RATE
        self._frame_size = round(rate * options.frame_duration)
        self._resampler = Resampler(sample_rate, rate, num_channels)
        self._encoder = OpusEncoder(
            rate,
            num_channels,
            application=options.application,
            bit_rate=options.bit_rate_for(num_channels),
            complexity=options.complexity,
        )

    def note_loss(self, fraction: float) -> None:
        """Carry as much FEC as the loss calls for that the other side reports (0 to 1)."""
        if self._fec:
            self._encoder.expect_loss(round(fraction * 100))

    def encode(self, timed: TimedAudioFrame) -> EncodedFrame:
        """Encode the frame of one packet; its timestamp is at 48 kHz."""
        if timed.resumed:
            self._resampler.flush()
        data = self._resampler.push(timed.data)
        missing = self._frame_size - data.shape[1]
        if missing > 0:  # the resampler has just started and holds back 1 ms
            data = np.pad(data, ((0, 0), (missing, 0)))
        timestamp = timed.timestamp * CLOCK_RATE // self._in_rate
        return EncodedFrame(self._encoder.encode(data), timestamp, timed.resumed)
