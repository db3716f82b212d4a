"""Moonshine, small and made for short utterances, through `useful-moonshine-onnx`."""

from __future__ import annotations

import threading

from fastrtc_core.toolkit import import_extra

from .audio import mono_float
from .types import Audio

SAMPLE_RATE = 16000
"""Of the model, in Hz."""

_SHORTEST = 0.1
_LONGEST = 60.0
"""Lengths in s that the model takes."""


class MoonshineSTT:
    """Recognises English utterances of up to a minute.

    Args:
        model: `moonshine/tiny` or `moonshine/base`; downloaded on first use.

    Raises:
        ConfigurationError: If the extra `moonshine` is missing.
    """

    def __init__(self, model: str = "moonshine/base") -> None:
        module = import_extra("moonshine_onnx", extra="moonshine", used_by="MoonshineSTT")
        self._model = module.MoonshineOnnxModel(model_name=model)
        self._tokenizer = module.load_tokenizer()
        self._lock = threading.Lock()

    def stt(self, audio: Audio) -> str:
        """The words of an utterance; of a longer one, those of its last minute."""
        samples = mono_float(audio, SAMPLE_RATE)[-round(_LONGEST * SAMPLE_RATE) + 1 :]
        if len(samples) <= _SHORTEST * SAMPLE_RATE:
            return ""
        with self._lock:
            tokens = self._model.generate(samples[None])
        text: str = self._tokenizer.decode_batch(tokens)[0]
        return text
