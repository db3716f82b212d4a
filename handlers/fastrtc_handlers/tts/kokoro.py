"""Kokoro, a natural voice on the CPU, through `kokoro-onnx`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.toolkit import Sentences, import_extra, to_int16

from .types import SyncVoice


@dataclass(frozen=True)
class KokoroOptions:
    """How one text is spoken.

    Attributes:
        voice: One of the names in the file of voices.
        speed: 1.0 is normal.
        lang: Language code of eSpeak NG, such as `en-us`.
    """

    voice: str = "af_heart"
    speed: float = 1.0
    lang: str = "en-us"


class KokoroTTS(SyncVoice):
    """Speaks with the Kokoro model, one sentence after the other.

    Args:
        model_path: The model, such as `kokoro-v1.0.onnx`.
        voices_path: Its voices, such as `voices-v1.0.bin`.
        options: How texts are spoken.

    Raises:
        ConfigurationError: If the extra `kokoro` or one of the files is missing.
    """

    def __init__(
        self,
        model_path: str | Path = "kokoro-v1.0.onnx",
        voices_path: str | Path = "voices-v1.0.bin",
        options: KokoroOptions | None = None,
    ) -> None:
        module = import_extra("kokoro_onnx", extra="kokoro", used_by="KokoroTTS")
        for path in (model_path, voices_path):
            if not Path(path).is_file():
                raise ConfigurationError(
                    f"KokoroTTS finds no file {path}; download it from the releases of "
                    "github.com/thewh1teagle/kokoro-onnx"
                )
        self.options = options or KokoroOptions()
        self._model: Any = module.Kokoro(str(model_path), str(voices_path))

    def stream_tts_sync(
        self, text: str, options: KokoroOptions | None = None
    ) -> Iterator[AudioFrame]:
        """Speak a text, one sentence after the other."""
        chosen = options or self.options
        sentences = Sentences()
        for sentence in [*sentences.push(text), *sentences.flush()]:
            samples, rate = self._model.create(
                sentence, voice=chosen.voice, speed=chosen.speed, lang=chosen.lang
            )
            yield AudioFrame(int(rate), to_int16(np.asarray(samples, np.float32)[np.newaxis]))
