"""How well a detector finds the speech in a conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fastrtc_handlers.vad import VAD

from ..conversations import RATE, Conversation

_NEAR = RATE // 10
"""A false start as close as this to a sound was made by it."""


@dataclass
class Figures:
    """What a detector made of some conversations; times in s.

    Attributes:
        utterances: How many there were.
        onsets: Of each that was found, how far off the position of its first `speech_start` is.
        decisions: How long after its beginning that was decided.
        ends: How far off the position of its last `speech_end` is.
        backchannels: How many there were, and how many were found.
        false_starts: Starts without speech, by what sounded there; `""` is nothing.
        minutes: How long the conversations were.
    """

    utterances: int = 0
    onsets: list[float] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    backchannels: tuple[int, int] = (0, 0)
    false_starts: Counter[str] = field(default_factory=Counter)
    minutes: float = 0.0

    @property
    def found(self) -> float:
        """Share of the utterances that were found."""
        return len(self.onsets) / self.utterances


@dataclass(frozen=True)
class _Span:
    start: int
    decided: int
    end: int


def measure(prototype: VAD, conversations: Iterable[Conversation]) -> Figures:
    """Let copies of a detector listen to conversations."""
    figures = Figures()
    for talk in conversations:
        spans = _spans(prototype.copy(), talk)
        matched = set()
        for segment in talk.of("utterance", "backchannel"):
            hits = [span for span in spans if span.start < segment.end and span.end > segment.start]
            matched.update(hits)
            if segment.kind == "backchannel":
                there, found = figures.backchannels
                figures.backchannels = there + 1, found + bool(hits)
                continue
            figures.utterances += 1
            if hits:
                figures.onsets.append((hits[0].start - segment.start) / RATE)
                figures.decisions.append((hits[0].decided - segment.start) / RATE)
                figures.ends.append((hits[-1].end - segment.end) / RATE)
        for span in spans:
            if span not in matched:
                figures.false_starts[_sound_at(span, talk)] += 1
        figures.minutes += talk.audio.duration / 60
    return figures


def _spans(vad: VAD, talk: Conversation) -> list[_Span]:
    """Where it hears speech; what does not end, ends with the audio."""
    events = [event for frame in talk.frames() for event in vad.push(frame)]
    starts = [event for event in events if event.kind == "speech_start"]
    ends = [event.position for event in events if event.kind == "speech_end"]
    ends += [talk.audio.samples_per_channel] * (len(starts) - len(ends))
    return [
        _Span(start.position, start.decided, end) for start, end in zip(starts, ends, strict=True)
    ]


def _sound_at(span: _Span, talk: Conversation) -> str:
    for segment in talk.segments:
        if segment.start - _NEAR < span.end and segment.end + _NEAR > span.start:
            return segment.kind
    return ""
