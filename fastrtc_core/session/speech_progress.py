"""How far a speech has been heard: in s, in text and in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..speech import SpeechWords
from ..speech.words import SpokenSentence
from ..tracks import AudioSource


class SpeechProgress:
    """Follows one speech, which has the floor, so that all that is played is its own.

    Counted in samples per channel that were sent, from its first one, without those that a client
    certainly has not played yet, and discards if it is interrupted.

    Args:
        source: Where it is played.
        unplayed: How much in s of what was sent the client certainly holds yet.
        on_the_way: How much in s of what was sent is not known to have arrived.
        made: Its sentences as far as there are any; they are added to while it goes on.
    """

    def __init__(
        self,
        source: AudioSource,
        unplayed: Callable[[], float],
        on_the_way: Callable[[], float],
        made: Sequence[SpokenSentence],
    ) -> None:
        self._source = source
        self._unplayed = unplayed
        self._on_the_way = on_the_way
        self._made = made
        self._settled = 0
        statistics = source.statistics()
        # What others queued before is played first.
        self._first = statistics.played + statistics.queued
        self._begun: list[_Begun] = []

    def heard(self) -> float:
        """In s."""
        return self._position() / self._source.sample_rate

    def text(self) -> str:
        """What was heard, up to its last word."""
        position = self._position()
        return "".join(begun.text(position) for begun in self._begun).strip()

    def words(self) -> SpeechWords:
        """How many words there are, were sent, have arrived and were heard."""
        sent, heard = self._sent(), self._position()
        arrived = sent - round(self._on_the_way() * self._source.sample_rate)
        return SpeechWords(
            made=sum(sentence.words for sentence in self._made),
            sent=sum(begun.words(sent) for begun in self._begun),
            arrived=sum(begun.words(arrived) for begun in self._begun),
            heard=sum(begun.words(heard) for begun in self._begun),
        )

    def note_sentence(self, sentence: SpokenSentence, *, silent: bool) -> None:
        """What is queued next is the beginning of a sentence.

        Of one that is not heard itself, all was there when all before it has been heard.
        """
        statistics = self._source.statistics()
        start = self._settled + statistics.played + statistics.queued - self._first
        if silent:
            start = max(0, start - 1)
        self._begun.append(_Begun(sentence, start, self._source.sample_rate))

    def note_clear(self) -> None:
        """What is queued is not going to be heard."""
        position = self._position()
        self._begun = [begun for begun in self._begun if begun.start < position]
        for begun in self._begun:
            begun.end(position)
        self._settled = position
        self._first = self._source.statistics().played

    def settle(self) -> None:
        """What was sent is going to be heard, whatever comes."""
        self._unplayed = lambda: 0.0

    def _sent(self) -> int:
        return self._settled + self._source.statistics().played - self._first

    def _position(self) -> int:
        unplayed = round(self._unplayed() * self._source.sample_rate)
        return max(self._settled, self._sent() - unplayed)


class _Begun:
    """A sentence whose audio is queued, from a sample on."""

    def __init__(self, sentence: SpokenSentence, start: int, rate: int) -> None:
        self.start = start
        self._sentence = sentence
        self._rate = rate
        self._end: int | None = None

    def text(self, position: int) -> str:
        """What was heard of it when all up to a sample was."""
        since = self._since(position)
        return self._sentence.heard_text(since) if since > 0 else ""

    def words(self, position: int) -> int:
        """The same, in words."""
        since = self._since(position)
        return self._sentence.heard_words(since) if since > 0 else 0

    def end(self, position: int) -> None:
        """Nothing after a sample is going to be heard."""
        if self._end is None:
            self._end = position

    def _since(self, position: int) -> float:
        """In s; what is converted between rates may be shorter by a sample."""
        end = position if self._end is None else min(position, self._end)
        return (end - self.start + 1) / self._rate if end > self.start else 0.0
