"""A buffer that gives up a delay which it does not need, and is not torn by clocks that differ.

How much is left after each frame that was taken says whether the delay is needed: what was left
all the time never was. So a stall costs no delay for good. What is too much goes where it is heard
least: silence first, then a period of the voice now and then, faded over, so that the pitch stays.
Where too little is left, a period is heard twice.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .samples import SampleBuffer

WINDOW = 25
"""Frames over which the delay is judged: half a second, more than lies between two lumps of one
who sends in lumps."""

KEPT = 1
"""Frames that are always left, so that one may come late. Where less is left at times, a period is
heard twice."""

HIGH = 2.75
"""Frames of which more is left, all the time, where delay is given up: another one and a period, so
that the two never take turns."""

QUIET = 0.003
"""Peak, of 1, of what counts as silence: -50 dB."""

SHORTEST = 0.006
LONGEST = 0.012
"""Bounds of a period in s; a voice has one or several in it."""

FADE = 0.005
"""Length in s over which one period fades into another."""


class ElasticBuffer:
    """Samples that come in any lengths, and are taken in frames by another clock.

    It has no bound of its own, as `SampleBuffer`.

    Args:
        sample_rate: In Hz.
        num_channels: Of the samples.
        frame_size: Samples per channel in what is taken.
    """

    def __init__(self, sample_rate: int, num_channels: int, frame_size: int) -> None:
        self._buffer = SampleBuffer(num_channels)
        self._frame_size = frame_size
        self._step = max(1, frame_size // 4)
        self._periods = round(SHORTEST * sample_rate), round(LONGEST * sample_rate)
        self._fade = round(FADE * sample_rate)
        self._left: deque[int] = deque(maxlen=WINDOW)
        """Samples that were left after each of the latest frames."""
        self._excess = 0
        """Samples that are to go."""

    @property
    def queued(self) -> int:
        """Samples per channel that wait."""
        return self._buffer.queued

    def push(self, data: NDArray[np.int16]) -> None:
        """Append samples of shape `(channels, n)`."""
        self._buffer.push(data)

    def discard(self, count: int) -> None:
        """Forget the oldest samples."""
        self._buffer.take(count)
        # A full buffer and a sender whose clock is fast: a little goes again and again, and there
        # is a delay to give up all the same. After more than that, it is judged anew.
        left = [samples - count for samples in self._left]
        self.rest()
        if left and min(left) > KEPT * self._frame_size:
            self._left.extend(left)

    def take(self) -> NDArray[np.int16]:
        """The next frame, or what there is, while sound goes on without a break."""
        if len(self._left) == WINDOW:
            self._judge(min(self._left))
        if self._excess > 0:
            self._shorten()
        data = self._buffer.take(self._frame_size)
        self._left.append(self._buffer.queued)
        return data

    def rest(self) -> None:
        """There is a break: what comes next is judged anew."""
        self._left.clear()
        self._excess = 0

    def _judge(self, left: int) -> None:
        if left > HIGH * self._frame_size:
            self._excess = left - KEPT * self._frame_size
            self._left.clear()
        elif left < KEPT * self._frame_size:
            self._lengthen()
            self._left.clear()

    def _shorten(self) -> None:
        data = self._buffer.take(self._buffer.queued)
        before = data.shape[1]
        data = self._without_silence(data)
        if data.shape[1] == before:
            data = self._without_period(data)
        removed = before - data.shape[1]
        # Where no more of it can go, more of it was needed than it seemed.
        self._excess = self._excess - removed if removed else 0
        self._buffer.push(data)

    def _without_silence(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        """Without silent quarters of frames between other silent ones, as many as are to go."""
        step = self._step
        count = data.shape[1] // step
        whole = data[:, : count * step].reshape(data.shape[0], count, step)
        silent = np.abs(whole.astype(np.int32)).max(axis=(0, 2), initial=0) < QUIET * 32768
        between = silent.copy()
        between[1:] &= silent[:-1]
        between[:-1] &= silent[1:]
        gone = np.flatnonzero(between)[: self._excess // step]
        if not gone.size:
            return data
        rest = np.delete(whole, gone, axis=1).reshape(data.shape[0], -1)
        return np.concatenate((rest, data[:, count * step :]), axis=1)

    def _without_period(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        period = self._period_of(data)
        if not 0 < period <= self._excess or data.shape[1] - period < self._frame_size:
            return data
        return _faded(data[:, : self._fade], data[:, period:])

    def _lengthen(self) -> None:
        data = self._buffer.take(self._buffer.queued)
        period = self._period_of(data)
        if period:
            self._buffer.push(data[:, :period])
            data = _faded(data[:, period : period + self._fade], data)
        self._buffer.push(data)

    def _period_of(self, data: NDArray[np.int16]) -> int:
        """After how many samples it goes on most like it begins; 0 if there is too little of it."""
        shortest, longest = self._periods
        if data.shape[1] < longest + self._fade:
            return 0
        sound = data[:, : longest + self._fade].sum(axis=0, dtype=np.float64)
        likeness = np.correlate(sound[shortest:], sound[: self._fade])
        power = np.concatenate(([0.0], np.cumsum(sound[shortest:] ** 2)))
        power = power[self._fade :] - power[: -self._fade]
        return shortest + int(np.argmax(likeness / np.sqrt(power + 1.0)))


def _faded(before: NDArray[np.int16], after: NDArray[np.int16]) -> NDArray[np.int16]:
    """Samples that begin like those before and go on like those after, which are longer."""
    count = before.shape[1]
    weight = (np.arange(count) + 0.5) / count
    fade = before * (1 - weight) + after[:, :count] * weight
    return np.concatenate((np.rint(fade).astype(np.int16), after[:, count:]), axis=1)
