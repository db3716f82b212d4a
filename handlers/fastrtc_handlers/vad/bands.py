"""The power of windows in bands of frequencies, and that of the noise in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BLOCK = 0.5
"""Time in s of which the least power is kept."""
_BLOCKS = 4
"""Blocks that the noise is looked for in: in 2 s, each band has a pause in any speech."""

_QUIETEST = 1e-9
"""Least power of the noise in a band; -90 dB, where full scale is 1."""


class Bands:
    """Bands of frequencies.

    Args:
        edges: Where one ends and the next begins, in Hz, ascending.
        size: Samples in a window.
        sample_rate: Of the windows, in Hz.
    """

    def __init__(self, edges: Sequence[float], size: int, sample_rate: int) -> None:
        self._taper = np.hanning(size).astype(np.float32)
        self._scale = 2 / (size * float(self._taper @ self._taper) * 32768**2)
        bins = np.rint(np.array(edges) * size / sample_rate).astype(int)
        self._first, self._end = bins[:-1], int(bins[-1])

    def power(self, windows: NDArray[np.int16]) -> NDArray[np.float64]:
        """Power in each band; a sine of full scale has 0.5.

        Args:
            windows: Of shape `(..., size)`.

        Returns:
            Shape `(..., bands)`.
        """
        spectrum = np.fft.rfft(windows * self._taper)
        power = spectrum.real**2 + spectrum.imag**2
        sums: NDArray[np.float64] = np.add.reduceat(power[..., : self._end], self._first, axis=-1)
        return sums * self._scale


class Noise:
    """The power of the noise in each band by minimum statistics: the least of the last 2 s.

    Args:
        bands: How many there are.
        window: Length of a window in s.
    """

    def __init__(self, bands: int, window: float) -> None:
        self._block = round(_BLOCK / window)
        self._windows = 0
        self._smoothed = np.zeros(bands)
        self._least = np.full((_BLOCKS, bands), np.inf)

    def push(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add the power of a window; returns that of the noise."""
        self._smoothed = 0.5 * (self._smoothed + power) if self._windows else power
        least = self._least[self._windows // self._block % _BLOCKS]
        if self._windows % self._block == 0:
            least[:] = np.inf
        np.minimum(least, self._smoothed, out=least)
        self._windows += 1
        # The least of many values of a noise lies some 3 dB below their mean.
        noise: NDArray[np.float64] = np.maximum(2 * self._least.min(axis=0), _QUIETEST)
        return noise
