"""Turn detectors: how long to wait in a pause until the speaker is taken to be done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable

from fastrtc_core import AudioFrame

_LONGER = 0.2
"""How much longer in s to wait after a turn was taken to be over before it was."""
_SHORTER = 0.03
"""How much shorter again in s after each pause that was not too long."""
_MOST = 2.5
"""How many times as long as at first to wait at most."""


@runtime_checkable
class TurnDetector(Protocol):
    """Says how much silence ends a turn. It is called from one thread at a time."""

    def patience(self, turn: AudioFrame) -> float:
        """How long in s to wait in the pause that has just begun.

        Args:
            turn: What was said so far in this turn, to at most 0.1 s after the last sound, at the
                rate and layout of the handler.
        """
        ...

    def note_pause(self, seconds: float) -> None:
        """The speaker went on after a pause of so many s, perhaps after an answer had begun."""
        ...

    def copy(self) -> Self:
        """A detector with the same settings for another speaker."""
        ...


@runtime_checkable
class ListeningTurnDetector(TurnDetector, Protocol):
    """One that hears the speaker all the time, and may change its mind while a pause goes on.

    What it knows may come late, as the words of a recogniser do.
    """

    def listen(self, frame: AudioFrame) -> None:
        """Hear a frame, of speech or silence; all that is not muted, each before it is acted on.

        It runs on the thread that hears the speaker, which waits for it.
        """
        ...

    def revise(self, pause: float) -> float:
        """How long in s to wait in all, now that the pause has lasted so many s.

        Called with each frame of a pause, from the one with which `patience` was called on.
        """
        ...


@runtime_checkable
class ReadingTurnDetector(TurnDetector, Protocol):
    """One that is told what is said by whoever has it recognised, as a `VoiceAgent` has."""

    def read(self, text: str, lag: float) -> None:
        """Take note of the words of the turn so far; on another thread than the rest.

        Called whenever they change or reach further, and with no text when a turn begins.

        Args:
            text: All of them; the last ones may yet change.
            lag: How long ago in s of audio the last one ended.
        """
        ...


@runtime_checkable
class JudgingTurnDetector(TurnDetector, Protocol):
    """One that says how likely a turn is complete; for those who watch it."""

    @property
    def complete(self) -> float | None:
        """How likely the turn is complete as of the latest pause, 0 to 1; `None` if unknown."""
        ...


class SilenceTurnDetector:
    """Waits for a silence, and longer for a speaker who went on after it.

    Args:
        silence: Silence in s that ends a turn.
        adaptive: Whether to wait longer, up to 2.5 times as long, after a pause that was taken for
            the end of a turn and was not. It is never less: to wait less for those who seem not to
            hesitate costs more sentences than it saves time.
    """

    def __init__(self, silence: float = 0.58, *, adaptive: bool = True) -> None:
        self.silence = silence
        self.adaptive = adaptive
        self._more = 0.0

    def patience(self, turn: AudioFrame) -> float:
        """How long in s to wait, whatever was said."""
        return self.silence + self._more

    def note_pause(self, seconds: float) -> None:
        """Wait longer from now on if that was too long, and a little less if not."""
        if not self.adaptive:
            return
        if seconds >= self.silence + self._more:
            self._more = min(self._more + _LONGER, (_MOST - 1) * self.silence)
        else:
            self._more = max(0.0, self._more - _SHORTER)

    def copy(self) -> Self:
        """A detector that knows nothing of the speaker."""
        return type(self)(self.silence, adaptive=self.adaptive)


class ModelTurnDetector:
    """Asks a model whether what was said is complete, and waits accordingly.

    Args:
        model: Takes the turn so far and returns how likely it is complete, 0 to 1: a function
            around an ONNX session, for example. It runs on a thread of the session, which hears
            nothing meanwhile. All copies share it.
        threshold: From which probability a turn is taken to be complete.
        silence: How long in s to wait when it is.
        longest: How long in s to wait when it is not.

    Attributes:
        complete: What the model said last; `None` before it was asked.
    """

    def __init__(
        self,
        model: Callable[[AudioFrame], float],
        *,
        threshold: float = 0.5,
        silence: float = 0.25,
        longest: float = 1.5,
    ) -> None:
        self.model = model
        self.threshold = threshold
        self.silence = silence
        self.longest = longest
        self.complete: float | None = None

    def patience(self, turn: AudioFrame) -> float:
        """How long in s to wait, by what the model says of the turn."""
        self.complete = None  # in case that it fails
        self.complete = likely = self.model(turn)
        return self.silence if likely >= self.threshold else self.longest

    def note_pause(self, seconds: float) -> None:
        """The model knows better."""

    def copy(self) -> Self:
        """A detector with the same model."""
        copied = copy.copy(self)
        copied.complete = None
        return copied
