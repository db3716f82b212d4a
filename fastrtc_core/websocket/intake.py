"""Audio from a client to the session, whatever the length of its pieces."""

from __future__ import annotations

import asyncio

from ..frames import FRAME_DURATION, AudioFrame
from ..media.samples import SampleBuffer
from ..tracks import RemoteAudioTrack

AT_ONCE = 0.1
"""Length in s up to which audio is handed on at once; a handler may be that far behind."""

HASTE = 4
"""How many times faster than in real time a longer piece is handed on."""

CAPACITY = 10.0
"""Audio in s that may wait; then what comes is dropped."""


class Intake:
    """Hands audio to a track in frames that its readers can keep up with.

    Args:
        track: Where it goes.
        sample_rate: Of the audio, in Hz.
        num_channels: Of the audio.

    Attributes:
        dropped: Samples per channel that found no room.
    """

    def __init__(self, track: RemoteAudioTrack, sample_rate: int, num_channels: int) -> None:
        self.dropped = 0
        self._track = track
        self._rate = sample_rate
        self._buffer = SampleBuffer(num_channels)
        self._frame_size = round(FRAME_DURATION * sample_rate)
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def push(self, frame: AudioFrame) -> None:
        """Take audio; where its rate changes, what waits is handed on at once."""
        if frame.sample_rate != self._rate:
            self._hand_on(self._buffer.queued)
            self._rate = frame.sample_rate
            self._frame_size = round(FRAME_DURATION * self._rate)
        count = frame.samples_per_channel
        if not self._buffer.queued and count <= AT_ONCE * self._rate:
            if count:
                self._track.push(frame)
            return
        room = round(CAPACITY * self._rate) - self._buffer.queued
        self.dropped += max(0, count - room)
        self._buffer.push(frame.data[:, : max(0, room)])
        self._empty.clear()
        self._wake.set()

    def discard(self) -> None:
        """Forget what waits."""
        self._buffer.take(self._buffer.queued)

    async def wait_until_empty(self) -> None:
        """Wait until everything was handed on."""
        await self._empty.wait()

    async def run(self) -> None:
        """Hand on what was too long to be handed on at once."""
        while True:
            await self._wake.wait()
            while self._buffer.queued:
                self._hand_on(self._frame_size)
                await asyncio.sleep(FRAME_DURATION / HASTE)
            self._wake.clear()
            self._empty.set()

    def _hand_on(self, count: int) -> None:
        data = self._buffer.take(count)
        if data.shape[1]:
            self._track.push(AudioFrame(self._rate, data))
