"""Turn detectors: how long to wait in a pause until the speaker is taken to be done."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable

from fastrtc_core import AudioFrame

_REMEMBERED = 12
"""Pauses of a speaker that are remembered."""

_ENOUGH = 3
"""Pauses that must be known before they count."""

_MARGIN = 1.3
"""How much longer than the longest pauses of a speaker the silence at the end of a turn is."""


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
        """The speaker went on after a pause of so many s."""
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


class SilenceTurnDetector:
    """Waits for a silence that is longer than the speaker's own pauses.

    Args:
        silence: Silence in s that ends a turn, as long as little is known of the speaker.
        adaptive: Whether it changes with the pauses that the speaker makes inside turns: from 0.7
            times as long for one who never hesitates to 2.5 times as long for one who does.
    """

    def __init__(self, silence: float = 0.6, *, adaptive: bool = True) -> None:
        self.silence = silence
        self.adaptive = adaptive
        self._pauses: deque[float] = deque(maxlen=_REMEMBERED)

    def patience(self, turn: AudioFrame) -> float:
        """How long in s to wait, whatever was said."""
        if not self.adaptive or len(self._pauses) < _ENOUGH:
            return self.silence
        # The second longest: one pause to look for the keys is not how somebody speaks.
        typical = sorted(self._pauses)[-2] * _MARGIN
        return min(max(typical, 0.7 * self.silence), 2.5 * self.silence)

    def note_pause(self, seconds: float) -> None:
        """Remember a pause."""
        self._pauses.append(seconds)

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

    def patience(self, turn: AudioFrame) -> float:
        """How long in s to wait, by what the model says of the turn."""
        return self.silence if self.model(turn) >= self.threshold else self.longest

    def note_pause(self, seconds: float) -> None:
        """The model knows better."""

    def copy(self) -> Self:
        """A detector with the same model."""
        return copy.copy(self)
