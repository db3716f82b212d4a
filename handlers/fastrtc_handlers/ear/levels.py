"""Levels of a sound in bands of frequency: what both halves of an echo have in common.

A room and a loudspeaker change the phases of a sound, its level and its colour. They keep when it
is loud, and in which band.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Rate of what an ear listens to, in Hz."""

HOP = 320
"""Samples from one spectrum to the next: 20 ms."""

BANDS = 16
"""Between 200 and 3800 Hz: what a telephone carries as well."""

SILENCE = -70.0
"""Level of digital silence in dB; 0 is a full-scale sine."""

Levels = NDArray[np.float32]

_WINDOW = 512


class BandLevels:
    """Measures the level in each band, hop by hop."""

    def __init__(self) -> None:
        self._tail = np.zeros(_WINDOW - HOP, np.float32)
        self._silent = True
        """Whether the tail is digital silence."""

    def push(self, samples: NDArray[np.int16]) -> Levels:
        """Add `HOP` samples; returns levels in dB of shape `(BANDS,)`, to be read alone."""
        was_silent, self._silent = self._silent, not samples.any()
        if was_silent and self._silent:  # whoever listens plays nothing, half of the time
            return _SILENT
        joined = np.concatenate((self._tail, samples), dtype=np.float32)
        self._tail = joined[HOP:]
        spectrum = np.fft.rfft(joined * _SHAPE)
        power = spectrum.real**2 + spectrum.imag**2
        levels: Levels = 10 * np.log10(_MATRIX @ power + _FLOOR)
        return levels


def _matrix() -> NDArray[np.float32]:
    """Which bins belong to which band."""
    edges = np.geomspace(200, 3800, BANDS + 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    matrix = np.zeros((BANDS, len(bins)), np.float32)
    for band in range(BANDS):
        low, high = edges[band], edges[band + 1]
        matrix[band, (bins >= low) & (bins < high)] = 1
        matrix[band, np.argmin(np.abs(bins - np.sqrt(low * high)))] = 1
    return matrix


# A sine of amplitude 32768 has the power (sum of the window / 2) ** 2 in its bin.
_SHAPE = (np.hanning(_WINDOW) / (32768 * np.hanning(_WINDOW).sum() / 2)).astype(np.float32)
_MATRIX = _matrix()
_FLOOR = np.float32(10 ** (SILENCE / 10))
_SILENT = np.full(BANDS, SILENCE, np.float32)
_SILENT.flags.writeable = False
