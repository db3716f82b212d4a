"""What a test wants to know of the audio that came out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class SineFit(NamedTuple):
    """How well samples are a sine of one frequency.

    Attributes:
        amplitude: Peak of the sine, in the unit of the samples.
        snr: Power of the sine over the power of everything else, in dB.
    """

    amplitude: float
    snr: float


def fit_sine(samples: NDArray[Any], frequency: float, sample_rate: int) -> SineFit:
    """Fit a sine and an offset by least squares; a gap or a repeated sample costs much SNR.

    Args:
        samples: One channel.
        frequency: In Hz.
        sample_rate: In Hz.
    """
    values = np.asarray(samples, np.float64).ravel()
    angle = 2 * np.pi * frequency * np.arange(len(values)) / sample_rate
    basis = np.stack([np.sin(angle), np.cos(angle), np.ones(len(values))], axis=1)
    solution, *_ = np.linalg.lstsq(basis, values, rcond=None)
    rest = values - basis @ solution
    amplitude = float(np.hypot(solution[0], solution[1]))
    power = max(float(np.mean(rest**2)), 1e-12)
    return SineFit(amplitude, 10 * float(np.log10(max(amplitude**2 / 2, 1e-12) / power)))


def delay_of(heard: NDArray[Any], played: NDArray[Any], sample_rate: int) -> tuple[float, float]:
    """Where a signal is found in another.

    Returns:
        The delay in s, and the correlation at it: 1.0 for the same signal at any level.
    """
    a = np.asarray(heard, np.float64).ravel()
    b = np.asarray(played, np.float64).ravel()
    size = 1 << (len(a) + len(b) - 1).bit_length()
    spectrum = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))
    correlation = np.fft.irfft(spectrum, size)[: len(a)]
    lag = int(np.argmax(np.abs(correlation)))
    part = a[lag : lag + len(b)]
    energy = np.sqrt(np.sum(part**2) * np.sum(b[: len(part)] ** 2))
    return lag / sample_rate, float(correlation[lag] / energy) if energy else 0.0


def longest_silence(samples: NDArray[Any], sample_rate: int, threshold: float = 1.0) -> float:
    """Length in s of the longest run of samples that are no larger than `threshold`."""
    quiet = np.abs(np.asarray(samples, np.float64).ravel()) <= threshold
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
    runs = edges[1::2] - edges[::2]
    return float(runs.max(initial=0)) / sample_rate
