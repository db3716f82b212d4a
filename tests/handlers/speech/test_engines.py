"""The adapters of engines that cannot run here: their models are downloaded.

Stand-ins take the place of faster_whisper, moonshine_onnx and kokoro_onnx; their signatures are
those of faster-whisper 1.2, useful-moonshine-onnx 20251121 and kokoro-onnx 0.5.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.testing import tone
from fastrtc_handlers.stt import FasterWhisperSTT, MoonshineSTT, get_stt_model
from fastrtc_handlers.tts import KokoroOptions, KokoroTTS, get_tts_model
from fastrtc_handlers.tts.espeak import _load


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **names: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, name, module)


def test_faster_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 at 16 kHz goes in; the texts of the segments come out joined."""
    calls: list[Any] = []

    class WhisperModel:
        def __init__(self, model_size_or_path: str, device: str = "auto") -> None:
            calls.append((model_size_or_path, device))

        def transcribe(self, audio: Any, language: str | None = None) -> Any:
            assert audio.dtype == np.float32
            assert audio.shape == (8000,)
            assert np.abs(audio).max() == pytest.approx(0.5, abs=0.01)
            calls.append(language)
            return (types.SimpleNamespace(text=text) for text in (" Hello", " there. ")), None

    stand_in(monkeypatch, "faster_whisper", WhisperModel=WhisperModel)
    stt = get_stt_model("faster-whisper/base.en", language="en", device="cpu")
    assert isinstance(stt, FasterWhisperSTT)
    assert stt.stt(tone(500, 0.5, 48000)) == "Hello there."
    assert calls == [("base.en", "cpu"), "en"]


def test_moonshine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Utterances between a tenth of a second and a minute."""
    lengths: list[int] = []

    class MoonshineOnnxModel:
        def __init__(self, models_dir: Any = None, model_name: str | None = None) -> None:
            assert model_name == "moonshine/tiny"

        def generate(self, audio: Any, max_len: int | None = None) -> Any:
            assert audio.dtype == np.float32
            assert 0.1 < audio.shape[1] / 16000 < 64
            lengths.append(audio.shape[1])
            return [[1, 2]]

    class Tokenizer:
        def decode_batch(self, tokens: Any) -> list[str]:
            assert tokens == [[1, 2]]
            return ["Hello."]

    stand_in(
        monkeypatch,
        "moonshine_onnx",
        MoonshineOnnxModel=MoonshineOnnxModel,
        load_tokenizer=Tokenizer,
    )
    stt = get_stt_model("moonshine/tiny")
    assert isinstance(stt, MoonshineSTT)
    assert stt.stt(tone(500, 1.0, 48000)) == "Hello."
    assert stt.stt(tone(500, 0.1, 48000)) == ""
    assert stt.stt(tone(500, 90, 8000)) == "Hello."
    assert lengths == [16000, 959999]


def test_kokoro(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the sentence, from float32; a file that is missing is named."""
    spoken: list[Any] = []

    class Kokoro:
        def __init__(self, model_path: str, voices_path: str) -> None:
            pass

        def create(
            self, text: str, voice: str, speed: float = 1.0, lang: str = "en-us", trim: bool = True
        ) -> tuple[Any, int]:
            spoken.append((text, voice, speed))
            return tone(500, 0.1, 24000).data[0].astype(np.float32) / 32768, 24000

    stand_in(monkeypatch, "kokoro_onnx", Kokoro=Kokoro)
    with pytest.raises(ConfigurationError, match=r"kokoro-v1\.0\.onnx"):
        get_tts_model("kokoro")
    model, voices = tmp_path / "model", tmp_path / "voices"
    model.touch()
    voices.touch()
    tts = KokoroTTS(model, voices, KokoroOptions(voice="am_adam"))
    frames = list(tts.stream_tts_sync("One. Two."))
    assert np.array_equal(frames[0].data, tone(500, 0.1, 24000).data)
    assert spoken == [("One.", "am_adam", 1.0), ("Two.", "am_adam", 1.0)]


@pytest.mark.parametrize(
    ("make", "module", "extra"),
    [
        (lambda: get_stt_model("faster-whisper"), "faster_whisper", "faster-whisper"),
        (lambda: get_stt_model(), "moonshine_onnx", "moonshine"),
        (lambda: get_stt_model("openai"), "httpx", "openai"),
        (lambda: get_stt_model("pocketsphinx", grammar=""), "pocketsphinx", "stt"),
        (lambda: get_tts_model("kokoro"), "kokoro_onnx", "kokoro"),
        (lambda: get_tts_model("openai"), "httpx", "openai"),
        (_load.__wrapped__, "espeakng_loader", "tts"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, make: Any, module: str, extra: str
) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert f'pip install "fastrtc-core[{extra}]"' in str(caught.value)
