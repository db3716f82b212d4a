"""What detectors that look at one window after the other have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import AudioFrame

from .foreground import Foreground
from .levels import level_of
from .segmenter import Segmenter, VADOptions
from .types import Loudness, VADEvent
from .windows import Windows

SAMPLE_RATE = 16000
"""Rate of the windows in Hz."""


class WindowedVAD(ABC):
    """A `VAD` that needs no more than the probability of each window.

    Args:
        options: When speech has begun and ended; the defaults when left out.
        window: Samples in a window at 16 kHz.
        foreground: Tells the speaker from other voices; all voices are alike when left out.

    Attributes:
        ignoring: Whether windows are listened to, but are no speech whatever they sound like.
    """

    end_delay = 0.0

    def __init__(
        self,
        options: VADOptions | None = None,
        *,
        window: int = 512,
        foreground: Foreground | None = None,
    ) -> None:
        self.options = options or VADOptions()
        self._windows = Windows(SAMPLE_RATE, window)
        self._segmenter = Segmenter(self.options, window, SAMPLE_RATE)
        self._probability = 0.0
        self.ignoring = False
        self._foreground = foreground

    @property
    def extra_silence(self) -> float:
        """See `AttentiveVAD`."""
        return self._foreground.extra_silence if self._foreground is not None else 0.0

    @property
    def traces(self) -> bool:
        """See `AttentiveVAD`."""
        # What is ignored is not pushed: what was known before says nothing of it.
        return not self.ignoring and self._foreground is not None and self._foreground.traces

    @property
    def loudness(self) -> Loudness:
        """See `MeasuringVAD`; known where there is a foreground."""
        found = Loudness() if self._foreground is None else self._foreground.loudness
        if self.ignoring:
            return found._replace(level=None, gates=(*found.gates, "own voice"))
        return found

    @property
    def probability(self) -> float:
        """How likely the latest window is speech of the speaker, 0 to 1."""
        return self._probability

    @property
    def speaking(self) -> bool:
        """Whether the last event was a `speech_start`."""
        return self._segmenter.speaking

    def push(self, frame: AudioFrame) -> list[VADEvent]:
        """Listen to a frame, see `VAD.push`."""
        events = []
        windows = self._windows.push(frame)
        for number, window in enumerate(windows):
            try:
                self._probability = self._score(window)
            except Exception:
                # What comes later keeps its position.
                self._segmenter.skip(len(windows) - number)
                raise
            # What is not listened to says nothing about who speaks here, or how loud it is.
            if self.ignoring or not self._is_speaker(window):
                self._probability = 0.0
            if event := self._segmenter.push(self._probability):
                events.append(self._at_pushed_rate(event))
        return events

    def set_threshold(self, threshold: float) -> None:
        """Take another probability for speech from now on; the lower one follows.

        Raises:
            ConfigurationError: If it is out of range.
        """
        self.options = replace(self.options, threshold=threshold, lower_threshold=None)
        self._segmenter.options = self.options

    def reset(self) -> None:
        """Forget the stream so far: the next frame is the first of another."""
        self._windows.reset()
        self._segmenter.reset()
        if self._foreground is not None:
            self._foreground.reset()
        self._probability = 0.0
        self._forget()

    @abstractmethod
    def copy(self) -> Self:
        """A detector with the same settings and model for another stream."""

    def _is_speaker(self, window: NDArray[np.int16]) -> bool:
        if self._foreground is None:
            return True
        return self._foreground.push(level_of(window), self._probability)

    @abstractmethod
    def _score(self, window: NDArray[np.int16]) -> float:
        """Probability that a window of shape `(window,)` is speech."""

    def _forget(self) -> None:
        """Forget what was kept from earlier windows."""

    def _at_pushed_rate(self, event: VADEvent) -> VADEvent:
        position = self._windows.position
        return VADEvent(event.kind, position(event.position), position(event.decided))
