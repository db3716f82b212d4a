"""Audio from a client to the session, whatever the length of its pieces and whenever they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from ..frames import FRAME_DURATION, AudioFrame
from ..media.samples import SampleBuffer
from ..tracks import RemoteAudioTrack

HASTE = 4
"""How many times faster than in real time what waits is handed on, to readers that keep up."""


class Intake:
    """Hands audio to a track in frames that its readers can keep up with.

    What the reader that matters has room for is handed on at once, whatever the length of the
    pieces. For the rest the reader is waited for, but no longer than real time takes: one that is
    slower still loses its oldest audio, as always.

    Args:
        track: Where it goes.
        num_channels: Of the audio.
        capacity: Audio in s that may wait; then what comes is dropped.
        room: Audio in s that this reader can still take without losing any.
        heard: Waits until it has read everything.
        on_full: Called when something is dropped, once until there is nothing left that waits.

    Attributes:
        dropped: Samples per channel that found no room.
    """

    def __init__(
        self,
        track: RemoteAudioTrack,
        num_channels: int,
        capacity: float,
        room: Callable[[], float],
        heard: Callable[[], Awaitable[None]],
        on_full: Callable[[], None],
    ) -> None:
        self.dropped = 0
        self._track = track
        self._num_channels = num_channels
        self._capacity = capacity
        self._room = room
        self._heard = heard
        self._on_full = on_full
        self._waiting: deque[_Piece] = deque()
        self._queued = 0.0
        """Length in s of what waits."""
        self._full = False
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def queued(self) -> float:
        """Length in s of what waits."""
        return self._queued

    def push(self, frame: AudioFrame) -> None:
        """Take audio; its rate may change from one frame to the next."""
        if not frame.samples_per_channel:
            return
        # What does not fill a frame of the reader may be waiting for this piece.
        if not self._waiting and frame.duration + FRAME_DURATION <= self._room():
            self._track.push(frame)
            return
        rate = frame.sample_rate
        room = max(0, round((self._capacity - self._queued) * rate))
        data = frame.data[:, :room]
        if data.shape[1]:
            if not self._waiting or self._waiting[-1].sample_rate != rate:
                self._waiting.append(_Piece(rate, self._num_channels))
            self._waiting[-1].push(data)
            self._queued += data.shape[1] / rate
            self._empty.clear()
            self._wake.set()
        excess = frame.samples_per_channel - data.shape[1]
        self.dropped += excess
        if excess and not self._full:
            self._full = True
            self._on_full()

    def discard(self) -> float:
        """Forget what waits; returns how much in s that was."""
        discarded, self._queued = self._queued, 0.0
        self._waiting.clear()
        return discarded

    async def wait_until_empty(self) -> None:
        """Wait until everything was handed on."""
        await self._empty.wait()

    async def run(self) -> None:
        """Hand on what could not be handed on at once."""
        while True:
            await self._wake.wait()
            while self._waiting:
                self._hand_on()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FRAME_DURATION):
                        await asyncio.sleep(FRAME_DURATION / HASTE)
                        await self._heard()
            self._queued = 0.0
            self._full = False
            self._wake.clear()
            self._empty.set()

    def _hand_on(self) -> None:
        piece = self._waiting[0]
        data = piece.take(round(FRAME_DURATION * piece.sample_rate))
        if not piece.queued:
            self._waiting.popleft()
        self._queued -= data.shape[1] / piece.sample_rate
        self._track.push(AudioFrame(piece.sample_rate, data))


class _Piece(SampleBuffer):
    """Audio of one rate that waits."""

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        super().__init__(num_channels)
        self.sample_rate = sample_rate
