"""Text to speech: voices for `say`.

`EspeakTTS` (extra `tts`) works offline and at once. `KokoroTTS` (extra `kokoro`) sounds natural and
wants its model files. `OpenAITTS` (extra `openai`) asks a service. Any object with one of the
methods of `TTSModel` will do as well.
"""

from __future__ import annotations

from typing import Any

from fastrtc_core import ConfigurationError

from .espeak import EspeakOptions, EspeakTTS
from .kokoro import KokoroOptions, KokoroTTS
from .openai import OpenAITTS, OpenAITTSOptions
from .types import TTSError, TTSModel

__all__ = [
    "EspeakOptions",
    "EspeakTTS",
    "KokoroOptions",
    "KokoroTTS",
    "OpenAITTS",
    "OpenAITTSOptions",
    "TTSError",
    "TTSModel",
    "get_tts_model",
]

_VOICES: dict[str, Any] = {"espeak": EspeakTTS, "kokoro": KokoroTTS, "openai": OpenAITTS}


def get_tts_model(model: str = "espeak", **options: Any) -> Any:
    """A voice by its name: `espeak`, `kokoro` or `openai`; the options are those of its class.

    Raises:
        ConfigurationError: If there is none of that name, or what it needs is missing.
    """
    if model not in _VOICES:
        raise ConfigurationError(
            f"there is no voice {model!r}; there are {', '.join(sorted(_VOICES))}"
        )
    return _VOICES[model](**options)
