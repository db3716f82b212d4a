"""What a handler in a channel hears: voices, and the pause after them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from ..frames import FRAME_DURATION, AudioFrame

GAP = 0.1
"""Time in s without a frame after which silence is heard: no network is as late for long."""

PAUSE = 2.0
"""For how long in s silence is heard: longer than the pause that ends a turn or a sentence."""


class Hearing:
    """Hands on frames, and silence for a while when none come.

    In a channel, who says nothing sends nothing. A handler that waits for a pause, to answer or to
    take a sentence as complete, would wait until somebody speaks again.

    Args:
        push: Takes the frames.
    """

    def __init__(self, push: Callable[[AudioFrame], None]) -> None:
        self._push = push
        self._loop = asyncio.get_running_loop()
        self._heard = 0.0
        self._silence: AudioFrame | None = None
        self._timer: asyncio.TimerHandle | None = None
        # uvloop's handle of a timer that is due already does not know when it was.
        self._due = 0.0
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing is going on, so that it costs nothing."""
        return self._timer is None

    def hear(self, frame: AudioFrame) -> None:
        """Hand on a frame."""
        if self._closed:
            return
        self._heard = self._loop.time()
        if self._silence is None or self._silence.sample_rate != frame.sample_rate:
            size = round(FRAME_DURATION * frame.sample_rate)
            silence = np.zeros((frame.num_channels, size), np.int16)
            self._silence = AudioFrame(frame.sample_rate, silence)
        if self._timer is None:
            self._look_at(self._heard + GAP)
        self._push(frame)

    def close(self) -> None:
        """Hear nothing more; idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Hear 20 ms of silence if it is time to, and look again."""
        assert self._timer is not None
        assert self._silence is not None
        due, first = self._due, self._heard + GAP
        self._timer = None
        if due < first:
            self._look_at(first)
        elif due < first + PAUSE:
            self._push(self._silence)
            self._look_at(due + FRAME_DURATION)

    def _look_at(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._look)
