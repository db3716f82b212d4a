"""Speech to text.

`PocketSphinxSTT` (extra `stt`) works offline for a grammar of commands. `FasterWhisperSTT` (extra
`faster-whisper`) and `MoonshineSTT` (extra `moonshine`) know free speech and download their models.
`OpenAISTT` (extra `openai`) asks a service. Any object with a method `stt(audio) -> str` will do as
well.
"""

from __future__ import annotations

from typing import Any

from fastrtc_core import ConfigurationError

from .faster_whisper import FasterWhisperSTT
from .moonshine import MoonshineSTT
from .openai import OpenAISTT
from .pocketsphinx import PocketSphinxSTT
from .segmented import SegmentedStream
from .types import LiveSTTModel, StreamingSTTModel, STTError, STTModel, STTStream, Transcript

__all__ = [
    "FasterWhisperSTT",
    "LiveSTTModel",
    "MoonshineSTT",
    "OpenAISTT",
    "PocketSphinxSTT",
    "STTError",
    "STTModel",
    "STTStream",
    "SegmentedStream",
    "StreamingSTTModel",
    "Transcript",
    "get_stt_model",
]

_MODELS: dict[str, Any] = {
    "faster-whisper": FasterWhisperSTT,
    "moonshine": MoonshineSTT,
    "openai": OpenAISTT,
    "pocketsphinx": PocketSphinxSTT,
}


def get_stt_model(model: str = "moonshine/base", **options: Any) -> Any:
    """A recogniser by its name; the options are those of its class.

    Args:
        model: `faster-whisper`, `moonshine`, `openai` or `pocketsphinx`; the name of a model may
            stand behind a slash: `moonshine/tiny`, `faster-whisper/base.en`.
        options: Arguments of the class.

    Raises:
        ConfigurationError: If there is none of that name, or what it needs is missing.
    """
    name, _, variant = model.partition("/")
    if name not in _MODELS:
        raise ConfigurationError(
            f"there is no recogniser {name!r}; there are {', '.join(sorted(_MODELS))}"
        )
    if name == "moonshine":
        options.setdefault("model", model if variant else "moonshine/base")
    elif variant:
        options.setdefault("model", variant)
    return _MODELS[name](**options)
