"""What was heard, in numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame
from fastrtc_core.testing import fit_sine

LOUD = 1600
"""A tenth of the peak of the tones of these tests."""

SETTLING = 0.15
"""How long in s a codec takes to follow a sine that begins."""


def loudness(audio: AudioFrame) -> float:
    """For how long in s the first channel is loud, by the millisecond."""
    size = audio.sample_rate // 1000
    level = np.abs(audio.data[0].astype(np.int32))
    blocks = np.pad(level, (0, -len(level) % size)).reshape(-1, size)
    return float((blocks.max(axis=1) > LOUD).sum() * size / audio.sample_rate)


def purity(audio: AudioFrame, frequency: float, duration: float, channel: int = 0) -> float:
    """The ratio in dB of a sine to all else, in so many s from its first loud sample on.

    One phase and one amplitude over the whole, but for what a codec needs to settle: a lost,
    doubled or shifted sample costs much.
    """
    samples, rate = audio.data[channel], audio.sample_rate
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
    assert len(loud), "nothing was heard"
    first, last = round(SETTLING * rate), round((duration - SETTLING / 4) * rate)
    sound = samples[loud[0] :][first:last]
    assert len(sound) == last - first, f"only {len(sound) / rate:.3f} s were heard"
    fit = fit_sine(sound, frequency, rate)
    print(f"{frequency} Hz: {fit.snr:.1f} dB over {len(sound) / rate:.3f} s")
    return fit.snr


def level(audio: AudioFrame, frequency: float) -> float:
    """The amplitude of a sine in the first channel, in 200 ms of its midst."""
    loud = np.flatnonzero(np.abs(audio.data[0].astype(np.int32)) > LOUD)
    first = loud[0] + round(SETTLING / 2 * audio.sample_rate)
    return fit_sine(
        audio.data[0, first : first + audio.sample_rate // 5], frequency, audio.sample_rate
    ).amplitude


def joined(frames: list[AudioFrame]) -> NDArray[np.int16]:
    """The samples of frames, `(channels, n)`."""
    return np.concatenate([frame.data for frame in frames], axis=1)


def pieces(audio: AudioFrame, lengths: list[int]) -> list[NDArray[np.int16]]:
    """A sound cut into pieces of so many samples, and the rest."""
    return [np.ascontiguousarray(part) for part in np.split(audio.data, np.cumsum(lengths), axis=1)]
