"""Words as sounds that a program can read again: what stands for speech where nobody listens.

Each word is a chord of two tones between 300 and 3200 Hz, and a short silence: it survives a codec,
a telephone and the loss of some packets. Which word is which chord is agreed upon as words are
first said, so both sides of a call share one `ToneSpeech`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, FastRTCError

RATE = 24000
"""Of what a voice says, in Hz."""

WORD = 0.2
"""Length in s of a word, with the silence behind it."""

GAP = 0.04
"""Length in s of that silence."""

FADE = 0.008
"""Length in s in which a chord rises and falls."""

LEVEL = 0.2
"""Peak of each tone; full scale is 1."""

WINDOW = 0.032
"""Length in s of what is looked at for tones: two periods of what lies between two of them."""

TONES = 312.5 + 62.5 * np.arange(47)
"""In Hz."""

_LINES = np.rint(TONES * WINDOW).astype(int)
"""The lines of the spectrum of a window at which they lie."""

APART = 4
"""How many steps the two tones of a chord are apart at least."""

HOP = 0.01
"""Time in s from one look to the next."""

READ_RATE = 8000
"""At which it is read, in Hz, where the rate of the audio is a multiple of it."""

QUIET = 0.02
"""Peak of a tone below which there is none."""

PAUSE = 1.0
"""How long in s a voice may have paused in the middle of a word: what follows is the rest of it."""

LEAST = 0.07
"""How long in s a chord must be heard to be a word: about half of it."""


class VocabularyError(FastRTCError, ValueError):
    """More different words were said than there are chords."""


class HeardWord(NamedTuple):
    """A word as it was heard.

    Attributes:
        text: As it was written, with its punctuation.
        start: In s from the beginning of the audio.
        end: In s.
    """

    text: str
    start: float
    end: float


class ToneSpeech:
    """A language of chords; words are whatever stands between white space."""

    def __init__(self) -> None:
        # In no order, so that words that come one after the other do not sound alike.
        chords = list(_chords())
        np.random.default_rng(0).shuffle(chords)
        self._free = iter([(int(low), int(high)) for low, high in chords])
        self._chords: dict[str, tuple[int, int]] = {}
        self._words: dict[tuple[int, int], str] = {}

    def say(self, text: str, sample_rate: int = RATE) -> AudioFrame:
        """The sound of a text, mono, at 8 kHz or more.

        Raises:
            VocabularyError: If there are too many words.
        """
        words = [word for word in text.split() if any(map(str.isalnum, word))]  # marks are not said
        samples = [_sound(self._chord(word), sample_rate) for word in words]
        rows = np.concatenate(samples) if samples else np.zeros(0, np.int16)
        return AudioFrame(sample_rate, rows[np.newaxis])

    def read(self, audio: AudioFrame) -> list[HeardWord]:
        """The words in audio of any rate from 8 kHz on; of several channels, in the first."""
        words: list[HeardWord] = []
        latest, begin, after, length = (-1, -1), 0.0, 0.0, 0.0
        for chord, start, end in _runs(audio.data[0], audio.sample_rate):
            if chord not in self._words:
                continue  # it is what was lost in the middle of a word
            goes_on = chord == latest and length + end - start < WORD and start - after < PAUSE
            if not goes_on:
                latest, begin, length = chord, start, 0.0
            elif length >= LEAST:
                words.pop()
            length, after = length + end - start, end
            if length >= LEAST:
                words.append(HeardWord(self._words[chord], begin, end))
        return words

    def text(self, audio: AudioFrame) -> str:
        """The same, as a text."""
        return " ".join(word.text for word in self.read(audio))

    def _chord(self, word: str) -> tuple[int, int]:
        if word not in self._chords:
            chord = next(self._free, None)
            if chord is None:
                raise VocabularyError(f"more than {len(self._chords)} different words in one call")
            self._chords[word] = chord
            self._words[chord] = word
        return self._chords[word]


def _chords() -> Iterator[tuple[int, int]]:
    """Pairs of tones that can be told apart."""
    return (
        (low, high)
        for low, high in itertools.combinations(range(len(TONES)), 2)
        if high - low >= APART
    )


@functools.cache
def _sound(chord: tuple[int, int], rate: int) -> NDArray[np.int16]:
    time = np.arange(round((WORD - GAP) * rate)) / rate
    wave = sum(np.sin(2 * np.pi * TONES[tone] * time) for tone in chord) * LEVEL
    fade = np.minimum(1, np.minimum(time, time[::-1]) / FADE)
    samples = np.zeros(round(WORD * rate), np.int16)
    samples[: len(time)] = np.rint(wave * fade * 32767)
    samples.flags.writeable = False
    return samples


@functools.cache
def _taper(size: int) -> NDArray[np.float32]:
    """A window of Hann, in which a tone has its peak for a spectral line."""
    taper = np.hanning(size + 1)[:-1]
    scaled: NDArray[np.float32] = (taper * 2 / (taper.sum() * 32768)).astype(np.float32)
    return scaled


def _runs(samples: NDArray[np.int16], rate: int) -> Iterator[tuple[tuple[int, int], float, float]]:
    """The chords, each from when to when it is heard."""
    keys = np.full(len(samples) // round(HOP * rate) + 1, -1)
    if rate % READ_RATE == 0:
        # Nothing of it lies above 4 kHz: a mean of neighbours is filter enough.
        steps = rate // READ_RATE
        whole = len(samples) // steps * steps
        samples = samples[:whole].reshape(-1, steps).mean(axis=1, dtype=np.float32)
        rate = READ_RATE
    size, hop = round(WINDOW * rate), round(HOP * rate)
    padded = np.pad(samples.astype(np.float32), size // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: len(keys)]
    sounding = np.flatnonzero(np.abs(windows[:, size // 4 :: 4]).max(axis=1) > QUIET * 32768)
    if sounding.size:
        keys[sounding] = _chords_in(windows[sounding])
    edges = np.flatnonzero(np.diff(keys, prepend=-2, append=-2))
    count = len(TONES)
    for start, end in itertools.pairwise(edges.tolist()):
        key = int(keys[start])
        if key >= 0 and end - start > 1:
            yield (key // count, key % count), start * HOP, end * HOP


def _chords_in(windows: NDArray[np.float32]) -> NDArray[np.intp]:
    """The chord in each window, as one number; -1 where there is none."""
    count = len(TONES)
    spectrum = np.fft.rfft(windows * _taper(windows.shape[1]))[:, _LINES]
    power = spectrum.real**2 + spectrum.imag**2
    first = power.argmax(axis=1)
    rows = np.arange(len(power))
    loud = power[rows, first] > QUIET**2
    for step in range(-APART + 1, APART):
        power[rows, np.clip(first + step, 0, count - 1)] = 0
    second = power.argmax(axis=1)
    loud &= power[rows, second] > (QUIET / 2) ** 2
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.where(loud, low * count + high, -1)
