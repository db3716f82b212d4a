"""Which words of what is said have been heard, without I/O.

A voice that knows when it says each word tells it with its audio (`SpokenFrame`). For any other,
the length of a sentence is divided among its words: by how long each is when spoken, between the
first sound and the last.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..frames import AudioFrame

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese, which are written without spaces: there each
letter counts as a word."""

_WORD = re.compile(rf"[{_UNSPACED}][^\w\s]*|[^\s{_UNSPACED}]+")
_WORD_OF_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_REST_OF_UNSPACED = re.compile(r"[^\w\s]*")
_REST = re.compile(rf"[^\s{_UNSPACED}]*")

SECONDS_PER_UNIT = 0.065
"""How long one unit of `_units` lasts, until a session's own voice has said whole sentences."""

QUIET = 0.01
"""What is 40 dB below the loudest sound of a sentence is silence at its beginning and its end."""

WINDOW = 0.01
"""Length in s of what is taken for loud or silent."""

SOON = 0.25
"""Time in s after which a word counts as heard, however long the pause behind it."""


class WordTime(NamedTuple):
    """When a word is said.

    Attributes:
        position: Of its first character, in the text that the voice was given.
        time: When it begins, in s from the first sample of the frame; it may be after its last.
    """

    position: int
    time: float


class SpokenFrame(AudioFrame):
    """Audio of a voice that knows when each word is said: what was heard is cut by these times."""

    _words: Sequence[WordTime]

    @classmethod
    def of(cls, frame: AudioFrame, words: Sequence[WordTime]) -> SpokenFrame:
        """The frame, with the words that begin in it, in their order."""
        spoken = cls(*frame)
        spoken._words = tuple(words)
        return spoken

    @property
    def words(self) -> Sequence[WordTime]:
        """The words that begin in it."""
        return self._words


class Pace:
    """How fast a voice speaks: learnt from the sentences that it has said."""

    def __init__(self) -> None:
        self._units = 0.0
        self._seconds = 0.0

    def learn(self, units: float, seconds: float) -> None:
        """So many units took so long, from the first sound to the last."""
        self._units += units
        self._seconds += seconds

    def length(self, units: float) -> float:
        """How long so many units are likely to take, in s."""
        if self._units < 1:
            return units * SECONDS_PER_UNIT
        return units * self._seconds / self._units


class _Word(NamedTuple):
    end: int
    """Where it ends in the text as it was written, with the marks behind it."""
    position: int
    """Where it begins in what is spoken."""
    units: float
    """Until its end, from the beginning of the sentence."""


class SpokenSentence:
    """One sentence, its audio as far as it was made, and where its words are in that.

    Args:
        text: As it was written, with the white space before it.
        spoken: What the voice was given; empty if it is only for the eye.
        pace: Of the voice.
    """

    def __init__(self, text: str, spoken: str, pace: Pace) -> None:
        self.text = text
        self._pace = pace
        self._words = _words(text, spoken)
        self._times: list[WordTime] = []
        self._length = 0.0
        self._loudness: list[NDArray[np.float32]] = []
        self._complete = False
        self._span: tuple[float, float] | None = None

    @property
    def words(self) -> int:
        """How many there are."""
        return len(self._words)

    def add(self, rate: int, rows: NDArray[Any], words: Sequence[WordTime] = ()) -> None:
        """More audio was made, of shape `(channels, n)`, with the words that begin in it."""
        self._times += [WordTime(at, time + self._length) for at, time in words]
        size = max(1, round(WINDOW * rate))
        row = rows[0]
        if row.size:
            # The loudest sample of each window: cheaper than the power, and as good here.
            starts = np.arange(0, row.size, size)
            self._loudness.append(np.maximum.reduceat(np.abs(row.astype(np.float32)), starts))
        self._length += row.size / rate
        self._span = None

    def complete(self) -> None:
        """All of its audio was made."""
        self._complete = True
        self._span = None
        if self._words and self._length:
            start, end = self._sounds()
            self._pace.learn(self._words[-1].units, end - start)

    def heard_words(self, seconds: float) -> int:
        """How many words were heard when so many s of the audio were.

        A word was heard when half of it was, or a quarter of a second.
        """
        if self._complete and seconds >= self._length:
            return len(self._words)
        thresholds = self._thresholds()
        return bisect.bisect_right(thresholds, seconds)

    def heard_text(self, seconds: float) -> str:
        """The text up to the last of those words."""
        if not self._words or (self._complete and seconds >= self._length):
            return self.text
        count = self.heard_words(seconds)
        return self.text[: self._words[count - 1].end] if count else ""

    def _thresholds(self) -> list[float]:
        """When each word counts as heard, in s."""
        starts = self._starts()
        ends = [*starts[1:], max(self._sounds()[1], starts[-1] if starts else 0.0)]
        return [
            start + min(max(0.0, end - start) / 2, SOON)
            for start, end in zip(starts, ends, strict=True)
        ]

    def _starts(self) -> list[float]:
        """When each word begins, in s: as the voice tells it, and divided between what it tells."""
        start, end = self._sounds()
        known: list[tuple[float, float]] = []
        for position, time in self._times:
            units = self._units_before(position)
            if not known or (units > known[-1][0] and time >= known[-1][1]):
                known.append((units, time))
        if not known or known[0][0] > 0:
            known.insert(0, (0.0, min(start, known[0][1]) if known else start))
        if self._words:
            known.append((self._words[-1].units, max(end, known[-1][1])))
        befores = [0.0, *(word.units for word in self._words[:-1])] if self._words else []
        return list(np.interp(befores, [u for u, _ in known], [t for _, t in known]))

    def _units_before(self, position: int) -> float:
        """The units before the word at a position, or the last one that begins before it."""
        index = bisect.bisect_right([word.position for word in self._words], position) - 1
        return self._words[index - 1].units if index > 0 else 0.0

    def _sounds(self) -> tuple[float, float]:
        """From where to where it sounds, in s; the end is estimated until all of it was made."""
        if self._span is None:
            start, end = 0.0, self._length
            if self._loudness:
                loudness = np.concatenate(self._loudness)
                loud = np.flatnonzero(loudness > QUIET * loudness.max())
                if loud.size:
                    start = min(float(loud[0]) * WINDOW, end)
                    end = min(float(loud[-1] + 1) * WINDOW, end)
            if not self._complete and self._words:
                end = max(end, start + self._pace.length(self._words[-1].units))
            self._span = start, end
        return self._span


def _words(text: str, spoken: str) -> list[_Word]:
    """The words of what is spoken, each with the place where it ends in the text."""
    found: list[tuple[int, int]] = []
    for match in _WORD.finditer(spoken):
        if any(map(str.isalnum, match[0])):
            found.append(match.span())
    words = []
    units, at = 0.0, 0
    for index, (start, end) in enumerate(found):
        word = spoken[start:end]
        units += _units(word, last=index == len(found) - 1)
        at = _end_of(text, word, at)
        words.append(_Word(at, start, units))
    if words:
        words[-1] = words[-1]._replace(end=len(text))
    return words


def _end_of(text: str, word: str, at: int) -> int:
    """Where a word that is spoken ends in the text, at or after a place, with what is only seen."""
    bare = word.strip("".join(c for c in word if not c.isalnum())) or word
    start = text.find(bare, at)
    if start < 0:
        return at
    # What closes it belongs to it: a full stop, a quotation mark, Markdown, the rest of an address.
    rest = _REST_OF_UNSPACED if _WORD_OF_UNSPACED.match(word) else _REST
    found = rest.match(text, start + len(bare))
    return found.end() if found else start + len(bare)


def _units(word: str, *, last: bool) -> float:
    """About how many sounds a word has: letters, the words of numbers, and the pause behind it."""
    units = 1.0
    for character in word:
        category = unicodedata.category(character)
        if category.startswith("N"):
            units += 4.0
        elif "\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3":
            units += 3.0  # a syllable
        elif category.startswith("L"):
            units += 1.0
        elif category.startswith("S"):  # currencies and mathematics have names
            units += 4.0
    letters = [c for c in word if c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):  # it is spelled
        units += 1.5 * len(letters)
    if not last and word[-1] in ",;:.!?…—–،、。，؛؟।":
        units += 4.0 if word[-1] in ",،、，" else 6.0
    return units
