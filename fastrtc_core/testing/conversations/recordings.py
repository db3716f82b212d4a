"""Phrases of real speech, cut out of recordings at the pauses of whoever speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError

RATE = 16000
"""Rate of recordings and conversations, in Hz."""

Samples = NDArray[np.float32]
"""Mono audio at `RATE`, 1.0 being full scale."""

LEVEL = 10 ** (-26 / 20)
"""Root mean square of the speech of each speaker: -26 dB below full scale, as in telephony."""

SUFFIXES = frozenset({".flac", ".mp3", ".ogg", ".opus", ".raw", ".wav"})

_STEP = RATE // 100
"""Samples (10 ms) of which the level is taken."""
_VOICE = 24.0
"""How far in dB below the loud ones the steps of a voice are; a breath is softer."""
_SOFT = 36.0
"""The same of a soft consonant beside it."""
_CONSONANT = 6
"""Steps that a soft consonant lasts at most."""
_SYLLABLE = 5
"""Steps that sound together at least: what is shorter is a click."""
_ABOVE_FLOOR = 8.0
"""How far in dB above the quietest steps of the recording a step has to be."""
_PAUSE = 0.18
"""Pause in s at which two phrases part: the closure of a consonant is shorter."""
_SHORTEST, _LONGEST = 0.7, 5.0
"""Length of a phrase in s."""
_FADE = RATE // 200


class Recordings:
    """What some people say: phrases without a pause, and everything that each of them said.

    Args:
        speech: The recordings of each speaker: mono at 16 kHz, 1.0 being full scale.

    Attributes:
        phrases: The phrases of each speaker, from the first sound to the last. All of one speaker
            were given the same gain, so that their speech has a root mean square of `LEVEL`.
        talk: All recordings of each speaker one after the other, at the same gain.
    """

    def __init__(self, speech: Mapping[str, Sequence[Samples]]) -> None:
        self.phrases: dict[str, tuple[Samples, ...]] = {}
        self.talk: dict[str, Samples] = {}
        for speaker, recordings in speech.items():
            phrases = [phrase for recording in recordings for phrase in _phrases(recording)]
            if not phrases:
                continue
            gain = np.float32(LEVEL / rms(np.concatenate(phrases)))
            self.phrases[speaker] = tuple(gain * phrase for phrase in phrases)
            self.talk[speaker] = gain * np.concatenate(list(recordings))
        if not self.phrases:
            raise ConfigurationError(
                f"The recordings hold no phrase of {_SHORTEST:g} to {_LONGEST:g} s"
            )

    @classmethod
    def read(
        cls, folder: str | Path, speaker_of: Callable[[Path], str] | None = None
    ) -> Recordings:
        """Read a folder, and those in it.

        Args:
            folder: Sound files in any format that FFmpeg reads; `.raw` is 16-bit mono at 16 kHz.
            speaker_of: Who speaks in a file. By default that is the part of its name before the
                first `-`, as in LibriSpeech.

        Raises:
            ConfigurationError: If there is no speech in it.
        """
        speaker_of = speaker_of or (lambda path: path.stem.partition("-")[0])
        speech: dict[str, list[Samples]] = {}
        for path in sound_files(folder):
            speech.setdefault(speaker_of(path), []).append(read_sound(path))
        return cls(speech)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(sorted(self.phrases))


def sound_files(folder: str | Path) -> Iterable[Path]:
    """The sound files in a folder and in those below it, in order."""
    paths = sorted(Path(folder).rglob("*"))
    return (path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def read_sound(path: Path) -> Samples:
    """A file as mono at 16 kHz."""
    if path.suffix.lower() == ".raw":
        return np.fromfile(path, "<i2").astype(np.float32) / np.float32(32768)
    parts = []
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [made.to_ndarray()[0] for made in resampler.resample(frame)]
        parts += [made.to_ndarray()[0] for made in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def rms(samples: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def trimmed(samples: Samples) -> Samples:
    """From the first sound to the last, however long the pauses between are."""
    sounding = np.flatnonzero(_sounding(samples))
    if not len(sounding):
        return samples[:0]
    return _faded(samples[sounding[0] * _STEP : (sounding[-1] + 1) * _STEP])


def _sounding(samples: Samples) -> NDArray[np.bool_]:
    """Which steps are speech: those of a voice, and soft consonants beside them."""
    steps = samples[: len(samples) // _STEP * _STEP].reshape(-1, _STEP)
    if not len(steps):
        return np.zeros(0, np.bool_)
    levels = 10 * np.log10(np.mean(np.square(steps), axis=1) + 1e-12)
    loud = float(np.percentile(levels, 95))
    # Where nobody pauses, the quietest steps are speech as well.
    floor = min(float(np.percentile(levels, 5)) + _ABOVE_FLOOR, loud - 12)
    found = np.zeros(len(levels), np.bool_)
    soft = levels > max(loud - _SOFT, floor)
    for first, last in _runs(levels > max(loud - _VOICE, floor)):
        if last - first < _SYLLABLE:
            continue
        for step in range(first - 1, max(-1, first - 1 - _CONSONANT), -1):
            if not soft[step]:
                break
            first = step
        for step in range(last, min(len(levels), last + _CONSONANT)):
            if not soft[step]:
                break
            last = step + 1
        found[first:last] = True
    return found


def _runs(found: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where steps are found, from the first to the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], found, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _phrases(recording: Samples) -> Iterable[Samples]:
    """What lies between the pauses, if it is neither too short nor too long."""
    sounding = np.flatnonzero(_sounding(recording))
    if not len(sounding):
        return
    cuts = np.flatnonzero(np.diff(sounding) > _PAUSE * RATE / _STEP)
    for run in np.split(sounding, cuts + 1):
        start, end = run[0] * _STEP, (run[-1] + 1) * _STEP
        if _SHORTEST * RATE <= end - start <= _LONGEST * RATE:
            yield _faded(recording[start:end])


def _faded(samples: Samples) -> Samples:
    """With 5 ms of rise and fall: a cut would click."""
    faded = samples.astype(np.float32, copy=True)
    slope = np.linspace(0, 1, _FADE, dtype=np.float32)
    faded[:_FADE] *= slope
    faded[-_FADE:] *= slope[::-1]
    return faded
