"""Where the echo of what was played is in what a microphone hears, without I/O.

The levels of both, band by band, are compared over every delay up to a second. Half a second of
speech is enough to find it, and it does not matter how the room sounds, that clocks drift or that
somebody speaks at the same time: that only makes the likeness smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .levels import BANDS, HOP, RATE, SILENCE, Levels

MAX_DELAY = 1.1
"""Longest delay in s that is looked for."""

LAGS = round(MAX_DELAY * RATE / HOP)

_TAIL = 15
"""Hops over which what was played still sounds."""

_DECAY = 2.0
"""By how many dB it fades with each hop: a room of T60 0.6 s."""

_EARLY = 3
"""By how many hops the echo may begin before the delay at which it is most like what was played: a
room makes that longer than it is."""

_AUDIBLE = -52.0
"""Level in dB from which a hop of what was played counts."""

_MEMORY = 1.2
"""Time in s of what was played over which likeness is measured."""

_MEAN = 0.07
"""By which part the mean that levels are compared with moves with each hop: within 0.3 s."""

_CLIP = 12.0
"""A level further from its mean counts as this, in dB."""

_ENOUGH = 0.4
"""How much of the memory must be filled before a likeness means something."""

_ALIKE = 0.6
"""Likeness from which a delay is taken for that of the echo at once."""

_LASTING = 0.35
"""The same where it stays the best for `_LASTED` hops, which chance does not do."""

_LASTED = 50

_UNLIKE = 0.15
"""Likeness at the known delay below which there is no echo any more, if it stays there."""

_SOON = 40
"""Lags in hops by which an echo mostly comes: when enough is known of those, it can be told whether
there is one."""


class EchoPath:
    """Follows the delay of the echo.

    Attributes:
        delay: Of the echo, in hops; `None` as long as none was found.
        likeness: How alike the two are at that delay, or at the best one: 0 (not at all) to 1.
        audible: Whether something was played within the last `MAX_DELAY`.
        decided: Whether enough was played to tell whether there is an echo.
    """

    def __init__(self) -> None:
        self.delay: int | None = None
        self.likeness = 0.0
        self.audible = False
        self.decided = False
        self._levels = np.full((LAGS + _TAIL, BANDS), SILENCE, np.float32)
        self._shapes = np.zeros((LAGS, BANDS), np.float32)
        self._energies = np.zeros(LAGS, np.float32)
        self._active = np.zeros(LAGS, np.float32)
        self._near_mean = np.full(BANDS, SILENCE, np.float32)
        self._far_mean = np.full(BANDS, SILENCE, np.float32)
        self._products = np.zeros(LAGS, np.float32)
        self._near_power = np.zeros(LAGS, np.float32)
        self._far_power = np.zeros(LAGS, np.float32)
        self._filled = np.zeros(LAGS, np.float32)
        self._best = 0
        self._lasted = 0
        self._unlike = 0

    def push(self, near: Levels, far: Levels) -> None:
        """Add the levels of one hop of the microphone, and of what was played meanwhile."""
        near_shape = _clipped(near - self._near_mean)
        far_shape = _clipped(far - self._far_mean)
        self._near_mean += _MEAN * (near - self._near_mean)
        self._far_mean += _MEAN * (far - self._far_mean)
        _shift(self._levels, far)
        _shift(self._shapes, far_shape)
        _shift(self._energies, far_shape @ far_shape)
        _shift(self._active, far.max() > _AUDIBLE)
        self.audible = bool(self._active.any())
        if self.audible:
            self._compare(near_shape)

    def expected(self) -> Levels | None:
        """Levels of the echo in the latest hop, for a path that lets all through.

        `None` where no echo is known, or nothing is played that could be heard now.
        """
        if self.delay is None:
            return None
        first = max(0, self.delay - _EARLY)
        fading = self._levels[first : first + _TAIL] - _FADING
        levels: Levels = fading.max(axis=0)
        return levels if levels.max() > _AUDIBLE else None

    def _compare(self, near: Levels) -> None:
        weights = self._active * np.float32(HOP / RATE / _MEMORY)
        self._products += weights * (self._shapes @ near - self._products)
        self._near_power += weights * (near @ near - self._near_power)
        self._far_power += weights * (self._energies - self._far_power)
        self._filled += weights * (1 - self._filled)
        likeness = self._products / np.sqrt(self._near_power * self._far_power + 1)
        likeness *= self._filled > _ENOUGH
        best = int(likeness.argmax())
        self.likeness = float(likeness[best])
        lasts = self.likeness > _LASTING and abs(best - self._best) <= 1
        self._lasted = self._lasted + 1 if lasts else 0
        self._best = best
        known = 0.0 if self.delay is None else float(likeness[self.delay])
        self._unlike = self._unlike + 1 if known < _UNLIKE else 0
        if self.likeness > _ALIKE or self._lasted >= _LASTED:
            self.delay = best
        elif self._unlike >= LAGS:
            self.delay = None
        self.decided |= self.delay is not None or bool(self._filled[_SOON] > _ENOUGH)


def _clipped(levels: Levels) -> Levels:
    # `np.clip` takes three times as long for so few.
    clipped: Levels = np.minimum(np.maximum(levels, -_CLIP), _CLIP)
    return clipped


def _shift(history: NDArray[np.float32], latest: Any) -> None:
    """Put the latest in front of a history, and let the oldest go."""
    history[1:] = history[:-1]
    history[0] = latest


_FADING = (_DECAY * np.maximum(0, np.arange(_TAIL, dtype=np.float32) - _EARLY))[:, np.newaxis]
