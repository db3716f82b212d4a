"""The spectrum that models of the Whisper family hear, computed with numpy.

80 bands on Slaney's mel scale, in steps of 10 ms; A. Radford et al., "Robust Speech Recognition via
Large-Scale Weak Supervision" (2022), section 2.2.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Of the samples, in Hz."""
BANDS = 80
HOP = 160
"""Samples from one frame to the next."""
_FRAME = 400
_FLOOR = 1e-10
_RANGE = 8.0
"""How far below the loudest value, in powers of ten, a value is at least."""
_LINEAR_TO = 1000.0
"""Frequency in Hz up to which a mel is 200/3 Hz; from there on, 27 mel are a factor of 6.4."""


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The spectrum of samples, levelled: about -1 to 1.5.

    Args:
        samples: Of shape `(n,)` at 16 kHz, of any level; n is a multiple of 160, and at least 320.

    Returns:
        Shape `(80, n // 160)`.
    """
    level = np.sqrt(samples.var() + 1e-7)
    padded = np.pad((samples - samples.mean()) / level, _FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::HOP][:-1]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    levels = np.log10(np.maximum(_filters() @ power.T, _FLOOR))
    np.maximum(levels, levels.max() - _RANGE, out=levels)
    return ((levels + 4) / 4).astype(np.float32)


@functools.cache
def _window() -> NDArray[np.float64]:
    """Hann's, periodic."""
    return np.hanning(_FRAME + 1)[:-1]


@functools.cache
def _filters() -> NDArray[np.float64]:
    """Triangles of equal area, evenly spaced in mel, of shape `(80, 201)`."""
    top = 15 + 27 * np.log(RATE / 2 / _LINEAR_TO) / np.log(6.4)
    mel = np.linspace(0, top, BANDS + 2)
    corners = np.where(mel < 15, mel * 200 / 3, _LINEAR_TO * np.exp((mel - 15) * np.log(6.4) / 27))
    bins = np.linspace(0, RATE / 2, _FRAME // 2 + 1)
    widths = np.diff(corners)[:, np.newaxis]
    distances = corners[:, np.newaxis] - bins
    triangles = np.minimum(-distances[:-2] / widths[:-1], distances[2:] / widths[1:])
    heights: NDArray[np.float64] = 2 / (corners[2:] - corners[:-2])
    return np.maximum(triangles, 0) * heights[:, np.newaxis]
