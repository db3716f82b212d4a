"""Test signals, as frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..frames import AudioFrame, to_int16

FRAME_MS = 20


def tone(
    frequency: float = 1000.0,
    duration: float = 1.0,
    sample_rate: int = 48000,
    level: float = 0.5,
    num_channels: int = 1,
) -> AudioFrame:
    """A sine.

    Args:
        frequency: In Hz.
        duration: In s.
        sample_rate: In Hz.
        level: Peak, 1.0 being full scale.
        num_channels: Channels, all the same.
    """
    time = np.arange(round(duration * sample_rate)) / sample_rate
    wave = level * np.sin(2 * np.pi * frequency * time)
    return AudioFrame(sample_rate, to_int16(np.tile(wave, (num_channels, 1))))


def noise(
    duration: float = 1.0, sample_rate: int = 48000, level: float = 0.1, seed: int = 0
) -> AudioFrame:
    """White noise of a given root mean square, the same for the same seed."""
    samples = np.random.default_rng(seed).normal(0, level, (1, round(duration * sample_rate)))
    return AudioFrame(sample_rate, to_int16(samples))


def speech_like(duration: float = 3.0, sample_rate: int = 48000, seed: int = 0) -> AudioFrame:
    """A voiced sound with the pitch, formants and syllables of speech; it says nothing."""
    generator = np.random.default_rng(seed)
    count = round(duration * sample_rate)
    time = np.arange(count) / sample_rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time + generator.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = np.interp(
        time,
        np.arange(0, duration + 0.1, 0.1),
        generator.choice([0.05, 0.4, 1.0], len(np.arange(0, duration + 0.1, 0.1))),
    )
    wave = voice * syllables
    return AudioFrame(sample_rate, to_int16(0.5 * wave[np.newaxis] / np.abs(wave).max()))


def frames_of(audio: AudioFrame, milliseconds: int = FRAME_MS) -> Iterator[AudioFrame]:
    """Cut audio into frames of so many ms; the last one may be shorter."""
    size = audio.sample_rate * milliseconds // 1000
    for start in range(0, audio.samples_per_channel, size):
        yield AudioFrame(
            audio.sample_rate, np.ascontiguousarray(audio.data[:, start : start + size])
        )
