"""Incoming audio: from RTP packets to frames, decoded as they arrive.

It stands where aiortc has its own jitter buffer and decoder thread. A packet costs no hand-off: it
is decoded on the event loop, in some 20 µs, straight to the rate and layout that its session wants.
"""

from __future__ import annotations

import asyncio
import logging

import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame
from ..media.jitter import DueFrame, JitterBuffer
from ..media.libopus import NATIVE_RATES, OpusDecoder, OpusError, samples_in
from ..media.rtp import RtpPacket
from ..tracks import RemoteAudioTrack

logger = logging.getLogger(__name__)

MAX_PACKETS_PER_SECOND = 500
"""Packets that are decoded; Opus makes 50, and 400 of its shortest frames (RFC 6716 section 2.1.4).

What a client sends beyond them would take the event loop from the others.
"""

CLOCK_RATE = 48000
"""RTP clock rate of Opus in Hz, whatever the rate of the audio (RFC 7587 section 4.1)."""


class IncomingAudio:
    """Receives the packets of one track.

    Args:
        remote: Where the frames go; it says which rate and layout suit its readers best.
    """

    def __init__(self, remote: RemoteAudioTrack) -> None:
        self.damaged = 0
        """Packets that are no Opus."""
        self.flooded = 0
        """Packets that were more than anybody's voice."""
        self.bytes = 0
        """Of the payloads of all packets."""
        self.concealed_samples = 0
        """Samples per channel that stand in for lost ones."""
        self._remote = remote
        rate = remote.sample_rate if remote.sample_rate in NATIVE_RATES else CLOCK_RATE
        self._decoder = OpusDecoder(rate, remote.num_channels)
        self._buffer = JitterBuffer(CLOCK_RATE, dtx=remote.sparse)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._second = 0.0
        """When the second began in which packets are counted."""
        self._in_second = 0
        remote.network = self.network = self._buffer.statistics

    def take(self, packet: RtpPacket) -> None:
        """Take a packet as it comes from the network."""
        payload = packet.payload
        if self._closed or not payload:
            return
        now = self._loop.time()
        if now - self._second >= 1:
            self._second, self._in_second = now, 0
        self._in_second += 1
        if self._in_second > MAX_PACKETS_PER_SECOND:
            self.flooded += 1
            return
        self.bytes += len(payload)
        try:
            samples = samples_in(payload, CLOCK_RATE)
        except OpusError:
            self.damaged += 1
            return
        if self._remote.forward is not None:
            self._remote.forward(packet)
        self._buffer.push(
            packet.ssrc, packet.sequence_number, packet.timestamp, samples, payload, now
        )
        self._release(now)

    def close(self) -> None:
        """Take and release nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self, now: float) -> None:
        for due in self._buffer.pop(now):
            self._remote.push(AudioFrame(self._decoder.sample_rate, self._decode(due)))
        # One timer, which looks again when it fires: setting it anew for each packet would cost
        # more than the packet.
        if self._timer is None and (deadline := self._buffer.deadline) is not None:
            self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        self._release(self._loop.time())

    def _decode(self, due: DueFrame) -> NDArray[np.int16]:
        samples = due.samples * self._decoder.sample_rate // CLOCK_RATE
        if due.silent:
            return np.zeros((self._decoder.num_channels, samples), np.int16)
        if due.restarted:
            self._decoder.reset()
        try:
            if due.payload is not None:
                return self._decoder.decode(due.payload)
            self.concealed_samples += samples
            if due.following is not None:
                return self._decoder.recover(due.following, samples)
            return self._decoder.conceal(samples)
        except OpusError:
            self.damaged += 1
            return np.zeros((self._decoder.num_channels, samples), np.int16)
