"""Detectors written for FastRTC: `model.vad((rate, array), options) -> (seconds, chunks)`."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastrtc_core import ConfigurationError

from .detector import SAMPLE_RATE, WindowedVAD
from .segmenter import VADOptions
from .types import VADError


class LegacyVAD(WindowedVAD):
    """Makes a `VAD` of a pause detection model as FastRTC knows them.

    The model hears one chunk after the other, 16 kHz and int16 of shape `(samples,)`, on the thread
    that pushes. Positions are whole chunks: speech begins with the first that holds enough of it
    and ends with the first that does not. A model that takes long belongs on a thread of its own.

    Args:
        model: Any object with a method `vad((rate, array), options)` that returns the seconds of
            speech in the array, and where it lies (which is not looked at). All copies share it.
        options: What the model gets as its options.
        audio_chunk_duration: Length of a chunk in s.
        started_talking_threshold: Seconds of speech in a chunk from which someone speaks.
        speech_threshold: Seconds of speech in a chunk below which nobody does.

    Raises:
        ConfigurationError: If the model has no such method, or the durations do not fit together.
    """

    def __init__(
        self,
        model: Any,
        options: Any = None,
        *,
        audio_chunk_duration: float = 0.6,
        started_talking_threshold: float = 0.2,
        speech_threshold: float = 0.1,
    ) -> None:
        if not callable(getattr(model, "vad", None)):
            raise ConfigurationError(
                f"{_name(model)} has no method vad((rate, array), options); pass a detector of "
                "FastRTC's kind, or use one of fastrtc_handlers.vad as it is"
            )
        if not 0 < speech_threshold <= started_talking_threshold <= audio_chunk_duration <= 10:
            raise ConfigurationError(
                f"speech_threshold ({speech_threshold}), started_talking_threshold "
                f"({started_talking_threshold}) and audio_chunk_duration ({audio_chunk_duration}) "
                "must be above 0, in this order, and at most 10 seconds"
            )
        self.model = model
        self.model_options = options
        self._durations = {
            "audio_chunk_duration": audio_chunk_duration,
            "started_talking_threshold": started_talking_threshold,
            "speech_threshold": speech_threshold,
        }
        self._chunk = audio_chunk_duration
        super().__init__(
            VADOptions(
                threshold=started_talking_threshold / audio_chunk_duration,
                lower_threshold=speech_threshold / audio_chunk_duration,
                min_speech=0.0,
                min_silence=0.0,
            ),
            window=round(audio_chunk_duration * SAMPLE_RATE),
        )

    def copy(self) -> Self:
        """A detector with the same model and settings for another stream."""
        return type(self)(self.model, self.model_options, **self._durations)

    def _score(self, window: NDArray[np.int16]) -> float:
        name = _name(self.model)
        try:
            result = self.model.vad((SAMPLE_RATE, window), self.model_options)
        except Exception as error:
            raise VADError(f"{name}.vad failed: {type(error).__name__}: {error}") from error
        try:
            seconds, _ = result
            seconds = float(seconds)
        except (TypeError, ValueError):
            seconds = math.nan
        if not seconds >= 0:
            raise VADError(
                f"{name}.vad returned {result!r:.100}; it must return (seconds, chunks), the "
                "seconds of speech and a list of {'start': …, 'end': …}"
            )
        return min(1.0, seconds / self._chunk)


def _name(model: Any) -> str:
    return type(model).__qualname__
