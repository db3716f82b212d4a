"""Whisper on this machine, through `faster-whisper`."""

from __future__ import annotations

import threading
from typing import Any

from fastrtc_core.toolkit import import_extra

from .audio import mono_float
from .types import Audio

SAMPLE_RATE = 16000
"""Of the model, in Hz."""


class FasterWhisperSTT:
    """Recognises utterances in a hundred languages.

    Args:
        model: Name or folder of the model, such as `base.en`; a name is downloaded on first use.
        language: Code of the language; found out for each utterance by default.
        options: More arguments of `faster_whisper.WhisperModel`, such as `device`.

    Raises:
        ConfigurationError: If the extra `faster-whisper` is missing.
    """

    def __init__(self, model: str = "base", *, language: str | None = None, **options: Any) -> None:
        module = import_extra("faster_whisper", extra="faster-whisper", used_by="FasterWhisperSTT")
        self.language = language
        self._model = module.WhisperModel(model, **options)
        self._lock = threading.Lock()

    def stt(self, audio: Audio) -> str:
        """The words of an utterance."""
        samples = mono_float(audio, SAMPLE_RATE)
        with self._lock:  # what it returns is computed while it is read
            segments, _ = self._model.transcribe(samples, language=self.language)
            return " ".join(segment.text.strip() for segment in segments)
