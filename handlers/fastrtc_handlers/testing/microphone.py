"""A caller's microphone: a frame every 20 ms, silence included."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.testing import InProcessPeer

FRAME = 0.02
"""Length in s of a frame."""


class Microphone:
    """Sends what is said, and silence where nothing is.

    Args:
        peer: The caller's end of the session.
        sample_rate: In Hz.
    """

    def __init__(self, peer: InProcessPeer, sample_rate: int) -> None:
        self._peer = peer
        self._rate = sample_rate
        self._size = round(FRAME * sample_rate)
        self._waiting = np.zeros((1, 0), np.int16)
        self._loop: asyncio.AbstractEventLoop
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tick: asyncio.Future[None] | None = None
        self._silence = AudioFrame(sample_rate, np.zeros((1, self._size), np.int16))

    def start(self) -> None:
        """Send from now on; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._send()

    def stop(self) -> None:
        """Send nothing more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ticked()

    def _send(self) -> None:
        self._peer.push(self._next())
        self._ticked()
        self._due += FRAME
        # Later than it should be, on a real clock: what is due is sent, and nothing is left out.
        self._timer = self._loop.call_at(self._due, self._send)

    def _ticked(self) -> None:
        if self._tick is not None and not self._tick.done():
            self._tick.set_result(None)

    async def tick(self) -> None:
        """Wait until the next frame was sent; for as long as one takes, where none is any more."""
        if self._timer is None:
            await asyncio.sleep(FRAME)
            return
        if self._tick is None or self._tick.done():
            self._tick = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._tick)

    async def say(self, samples: NDArray[np.int16]) -> tuple[float, float]:
        """Say something after what is being said, and wait until it was.

        Args:
            samples: One row, at its rate.

        Returns:
            When its first loud sample was sent and its last one, in loop time.
        """
        loop = asyncio.get_running_loop()
        ahead = self._waiting.shape[1]
        self._waiting = np.concatenate([self._waiting, samples[np.newaxis]], axis=1)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 100)
        first, last = (int(loud[0]), int(loud[-1])) if loud.size else (0, 0)
        await self.tick()
        # The first frame of what waited was sent just now.
        start = loop.time() + ahead / self._rate
        while loop.time() < start + samples.size / self._rate - FRAME / 2:
            await self.tick()
        return start + first / self._rate, start + last / self._rate

    def _next(self) -> AudioFrame:
        if not self._waiting.shape[1]:
            return self._silence
        data, self._waiting = self._waiting[:, : self._size], self._waiting[:, self._size :]
        if missing := self._size - data.shape[1]:
            data = np.pad(data, ((0, 0), (0, missing)))
        return AudioFrame(self._rate, data)
