"""Voice activity by energy alone."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .detector import SAMPLE_RATE, WindowedVAD
from .segmenter import VADOptions

_WINDOW = 512
_EDGES = (150, 300, 450, 650, 900, 1200, 1600, 2100, 2800, 3700)
"""Edges in Hz of the bands, each about as wide as the ear's: speech has most of its power here."""

_BLOCK = 16
"""Windows (0.5 s) of which the least power is kept."""
_BLOCKS = 4
"""Blocks that the noise is looked for in: in 2 s, each band has a pause in any speech."""

_QUIETEST = 1e-9
"""Least power of the noise in a band; -90 dB, where full scale is 1."""
_EXCESS = 6.0
"""Level over the noise in dB, in the mean of all bands, that is speech as likely as not."""
_STEEPNESS = 1.5
"""Change in dB of that level that changes the odds by a factor of e."""
_HIGHEST = 15.0
"""What one band may contribute at most, in dB: a beep fills two or three of nine."""
_DECAY = 1.0
"""How much in dB the level falls from one window to the next at most: consonants are quiet.

After the loudest voice it takes 0.3 s."""

_TAPER = np.hanning(_WINDOW)
_SCALE = 2 / (_WINDOW * float(_TAPER @ _TAPER) * 32768**2)
_BINS = np.rint(np.array(_EDGES) * _WINDOW / SAMPLE_RATE).astype(int)


class EnergyVAD(WindowedVAD):
    """Tells speech from steady noise by its level in nine bands, without a model.

    The noise is taken to be the least power in each band within 2 s, so it adapts to hum and hiss.
    Whatever is louder and changes counts as speech: coughs, doors and music too. It is meant for
    quiet rooms and for machines where the extra `vad` cannot be installed.

    Args:
        options: When speech has begun and ended; the defaults when left out.
    """

    def __init__(self, options: VADOptions | None = None) -> None:
        super().__init__(options, window=_WINDOW)
        self._noise = _Noise()
        self._last = self._held = 0.0

    def copy(self) -> Self:
        """A detector with the same settings for another stream."""
        return type(self)(self.options)

    def _score(self, window: NDArray[np.int16]) -> float:
        # Digital silence is no noise to compare with: the line is off, not the room quiet.
        if not window.any():
            self._last = self._held = 0.0
            return 0.0
        power = _power_in_bands(window)
        noise = self._noise.push(power)
        excess = 10 * np.log10(np.maximum(power / noise, 1))
        level = float(np.minimum(excess, _HIGHEST).mean())
        # What was loud for two windows is held; a click is not.
        self._held = max(min(level, self._last), self._held - _DECAY)
        self._last = level
        return 1 / (1 + math.exp((_EXCESS - max(level, self._held)) / _STEEPNESS))

    def _forget(self) -> None:
        self._noise = _Noise()
        self._last = self._held = 0.0


class _Noise:
    """The power of the noise in each band by minimum statistics: the least of the last 2 s."""

    def __init__(self) -> None:
        self._windows = 0
        self._smoothed = np.zeros(len(_EDGES) - 1)
        self._least = np.full((_BLOCKS, len(_EDGES) - 1), np.inf)

    def push(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add the power of a window; returns that of the noise."""
        self._smoothed = 0.5 * (self._smoothed + power) if self._windows else power
        least = self._least[self._windows // _BLOCK % _BLOCKS]
        if self._windows % _BLOCK == 0:
            least[:] = np.inf
        np.minimum(least, self._smoothed, out=least)
        self._windows += 1
        # The least of many values of a noise lies some 3 dB below their mean.
        noise: NDArray[np.float64] = np.maximum(2 * self._least.min(axis=0), _QUIETEST)
        return noise


def _power_in_bands(window: NDArray[np.int16]) -> NDArray[np.float64]:
    """Power in each band; a sine of full scale has 0.5."""
    spectrum = np.fft.rfft(window * _TAPER)
    power = spectrum.real**2 + spectrum.imag**2
    sums: NDArray[np.float64] = np.add.reduceat(power[: _BINS[-1]], _BINS[:-1])
    return sums * _SCALE
