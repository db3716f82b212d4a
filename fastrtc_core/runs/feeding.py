"""The way of a source's blocks into a session, none lost unless the source is live."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import numpy as np

from ..frames import FRAME_DURATION, AudioFrame
from ..session import Session
from ..sources import Block, Channels, select_channels
from .busy import Busy
from .sample_clock import GRACE, SampleClockLoop

MAX_FILL = 1.0
"""Longest hole in s of a source that is filled with silence."""


class Feeder:
    """Feeds a session, and moves its clock on where that is the clock of the samples.

    Args:
        session: The session.
        channels: Which channels of the source it hears.
        busy: Who else must be done with what has come before time goes on.
    """

    def __init__(self, session: Session, channels: Channels, busy: Busy) -> None:
        self._session = session
        self._channels = channels
        self._busy = busy
        loop = asyncio.get_running_loop()
        self._clock = loop if isinstance(loop, SampleClockLoop) else None
        # What runs on the loop is done when the loop has nothing to do; threads have to be waited
        # for, and it cannot be told from outside whether they work or wait.
        method = getattr(session.handler, "emit", None)
        self._grace = 0.0 if inspect.iscoroutinefunction(method) else GRACE
        self._rate = 48000
        self._num_channels = 1

    async def feed(self, block: Block, expected: int) -> None:
        """Feed a block, whose `pts` should be `expected`."""
        frame = select_channels(block, self._channels)
        self._rate, self._num_channels = frame.sample_rate, frame.num_channels
        missing = block.pts - expected
        if 0 < missing <= MAX_FILL * self._rate:
            await self._feed(self._silence(missing))
        await self._feed(frame)

    async def rest(self, seconds: float) -> None:
        """Feed silence for so long."""
        for _ in range(round(seconds / FRAME_DURATION)):
            await self._feed(self._silence(round(FRAME_DURATION * self._rate)))
            if self._clock is None:
                await asyncio.sleep(FRAME_DURATION)

    async def play_out(self, limit: float) -> None:
        """Feed nothing until all that was emitted has been played, for so many s at most."""
        local = self._session.local_audio
        if local is None:
            return
        if self._clock is None:
            async with asyncio.timeout(limit):
                return await local.source.wait_for_playout()
        until = self._clock.time() + limit
        while local.source.queued_duration and self._clock.time() < until:
            await self._pass(FRAME_DURATION)
        await self._pass(FRAME_DURATION)  # the last packet

    def _silence(self, samples: int) -> AudioFrame:
        return AudioFrame(self._rate, np.zeros((self._num_channels, samples), np.int16))

    async def _feed(self, frame: AudioFrame) -> None:
        remote = self._session.remote_audio
        assert remote is not None
        for piece in _pieces(frame):
            remote.push(piece)
            if self._clock is not None:
                await self._session.wait_until_heard()
                await self._pass(piece.duration)

    async def _pass(self, seconds: float) -> None:
        assert self._clock is not None
        await self._busy.wait_until_idle()
        await self._clock.advance(seconds, grace=self._grace)


def _pieces(frame: AudioFrame) -> Iterator[AudioFrame]:
    """The frame in pieces of 20 ms, as from a network: a long one would overrun the session."""
    size = max(1, round(FRAME_DURATION * frame.sample_rate))
    if frame.samples_per_channel <= size:
        yield frame
        return
    for start in range(0, frame.samples_per_channel, size):
        piece = frame.data[:, start : start + size]
        yield AudioFrame(frame.sample_rate, np.ascontiguousarray(piece))
