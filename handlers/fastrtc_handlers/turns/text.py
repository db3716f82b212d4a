"""The end of a turn by its words, where they are recognised while somebody speaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Self

from fastrtc_core import AudioFrame, ConfigurationError

from ..stt.types import StreamingSTTModel, STTStream, Transcript
from .english import completeness as english

_KEPT = 64
"""Final transcripts of a turn that are read."""

_BEHIND = 0.3
"""How long in s before the pause the latest transcript may end and still hold the last word."""


class TextTurnDetector:
    """Waits as what was said reads: hardly at all after a sentence, long after an "and".

    Each transcript that comes in a pause may shorten it or make it longer. A `VoiceAgent` whose
    `stt` recognises while somebody speaks tells it the words (`ReadingTurnDetector`). Anywhere else
    it needs a recogniser of its own, which hears all that the speaker says
    (`ListeningTurnDetector`).

    Args:
        stt: A recogniser that streams; `None` if it is told the words. A turn ends no sooner than
            its words are there.
        completeness: How likely a text is complete, 0 to 1; rules for English by default. It is
            called with all words of the turn, on a thread of the session.
        threshold: From which probability a turn is taken to be complete; from 1 less this down, it
            is taken to go on.
        silence: How long in s to wait when it is complete.
        unsure: How long in s to wait when neither is likely, or the last words are not known yet.
        longest: How long in s to wait when it goes on.

    Attributes:
        complete: How likely the words of the latest pause are complete; `None` as long as they are
            not known.

    Raises:
        ConfigurationError: If `stt` knows whole utterances only, or `threshold` is not 0.5 to 1.
    """

    def __init__(
        self,
        stt: StreamingSTTModel | None = None,
        completeness: Callable[[str], float] = english,
        *,
        threshold: float = 0.8,
        silence: float = 0.25,
        unsure: float = 0.8,
        longest: float = 1.5,
    ) -> None:
        if stt is not None and not isinstance(stt, StreamingSTTModel):
            raise ConfigurationError(
                f"TextTurnDetector needs a recogniser that streams, with a method `stream()`: "
                f"{type(stt).__name__} has none, it knows whole utterances only"
            )
        if not 0.5 <= threshold <= 1:
            raise ConfigurationError(f"threshold must be 0.5 to 1: {threshold}")
        self.stt = stt
        self.completeness = completeness
        self.threshold = threshold
        self.silence = silence
        self.unsure = unsure
        self.longest = longest
        self.complete: float | None = None
        self._stream: STTStream | None = None
        self._heard = 0.0
        """Audio in s that the recogniser was given; its transcripts count from there."""
        self._began = 0.0
        """Where the turn began."""
        self._final: deque[Transcript] = deque(maxlen=_KEPT)
        self._partial: Transcript | None = None
        self._told: Transcript | None = None
        """What it was told of the words of the turn."""
        self._judged = ("", 0.5)
        """The text that was judged last, and how likely it is complete."""

    @property
    def text(self) -> str:
        """What is known of the words of the turn."""
        return " ".join(part.text for part in self._parts() if part.text)

    def listen(self, frame: AudioFrame) -> None:
        """Have a frame recognised."""
        self._heard += frame.duration
        if self.stt is None:
            return
        self._stream = self._stream or self.stt.stream()
        for transcript in self._stream.push(frame):
            if transcript.final:
                self._final.append(transcript)
            self._partial = None if transcript.final else transcript

    def read(self, text: str, lag: float) -> None:
        """Know the words of the turn so far; a recogniser of its own knows better."""
        if self.stt is None:
            end = self._heard - lag
            self._told = Transcript(text, False, end, end) if text else None

    def patience(self, turn: AudioFrame) -> float:
        """As long as may be, at first; what is known already is heard by `revise` at once."""
        self._began = self._heard - turn.duration
        self.complete = None
        return self.longest

    def revise(self, pause: float) -> float:
        """How long in s to wait, by the words that are known by now."""
        parts = self._parts()
        if not parts or parts[-1].end < self._heard - pause - _BEHIND:
            return self.unsure
        text = self.text
        if text != self._judged[0]:
            self._judged = text, self.completeness(text)
        self.complete = likely = self._judged[1]
        if likely >= self.threshold:
            return self.silence
        return self.longest if likely <= 1 - self.threshold else self.unsure

    def note_pause(self, seconds: float) -> None:
        """The words say more."""

    def copy(self) -> Self:
        """A detector with the same recogniser for another speaker."""
        return type(self)(
            self.stt,
            self.completeness,
            threshold=self.threshold,
            silence=self.silence,
            unsure=self.unsure,
            longest=self.longest,
        )

    def _parts(self) -> list[Transcript]:
        if self.stt is None:
            return [] if self._told is None else [self._told]
        parts = [part for part in self._final if part.end > self._began]
        return parts if self._partial is None else [*parts, self._partial]
