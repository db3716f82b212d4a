"""FastRTC's voices, with its shapes: what is played, resampled and written by its users."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fastrtc_core import ConfigurationError
from fastrtc_core.compat import CartesiaTTSOptions, KokoroTTSOptions, get_tts_model, voices
from fastrtc_handlers.tts import TTSError

from .services import Service

SAMPLES = np.linspace(-0.5, 0.5, 2400, dtype=np.float32)


class Kokoro:
    """As much of `kokoro_onnx.Kokoro` as is called."""

    asked: list[dict[str, Any]]

    def __init__(self, model: str, voices: str) -> None:
        self.files = (model, voices)
        Kokoro.asked = []

    def create(self, text: str, **options: Any) -> tuple[np.ndarray, int]:
        Kokoro.asked.append({"text": text, **options})
        return SAMPLES, 24000


@pytest.fixture(autouse=True)
def fresh() -> None:
    get_tts_model.cache_clear()


@pytest.fixture
def kokoro(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    module = ModuleType("kokoro_onnx")
    module.Kokoro = Kokoro  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kokoro_onnx", module)
    files = {"model_path": str(tmp_path / "model"), "voices_path": str(tmp_path / "voices")}
    for path in files.values():
        Path(path).touch()
    return files


async def test_kokoro_gives_flat_floats(kokoro: dict[str, str]) -> None:
    """So that `librosa.resample(audio, …)` and the like take them."""
    voice: Any = get_tts_model("kokoro", **kokoro)
    assert get_tts_model("kokoro", **kokoro) is voice
    options = KokoroTTSOptions(voice="bf_emma", speed=1.5)
    rate, samples = voice.tts("Hello. You.", options)
    assert (rate, samples.dtype, samples.shape) == (24000, np.float32, (4800,))
    assert Kokoro.asked[0] == {"text": "Hello.", "voice": "bf_emma", "speed": 1.5, "lang": "en-us"}
    assert np.abs(samples[:2400] - SAMPLES).max() < 1e-4
    assert [r for r, _ in voice.stream_tts_sync("Hello. You.")] == [24000, 24000]
    assert [s.shape async for _, s in voice.stream_tts("Hello. You.")] == [(2400,), (2400,)]


def test_its_files_come_from_the_hub(
    kokoro: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, name: str) -> str:
        asked.append((repository, name))
        return kokoro["model_path"]

    hub = ModuleType("huggingface_hub")
    hub.hf_hub_download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    get_tts_model()
    assert asked == [
        ("fastrtc/kokoro-onnx", "kokoro-v1.0.onnx"),
        ("fastrtc/kokoro-onnx", "voices-v1.0.bin"),
    ]
    get_tts_model.cache_clear()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigurationError, match="model_path and"):
        get_tts_model()


def test_cartesia(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its API reference has it, for raw audio."""
    monkeypatch.setattr(voices, "CARTESIA_URL", f"{service.url}/tts/bytes")
    said = np.arange(1000, dtype=np.int16)
    service.answer = said.tobytes()
    voice: Any = get_tts_model("cartesia", cartesia_api_key="secret")
    rate, samples = voice.tts("Hello.", CartesiaTTSOptions(sample_rate=24000, emotion=["calm"]))
    assert (rate, samples.dtype) == (24000, np.int16)
    assert samples.tolist() == said.tolist()
    [asked] = service.asked
    assert (asked.method, asked.path) == ("POST", "/tts/bytes")
    assert asked.headers["x-api-key"] == "secret"
    assert asked.headers["cartesia-version"] == "2024-06-10"
    assert asked.body["transcript"] == "Hello."
    assert asked.body["model_id"] == "sonic-2"
    assert asked.body["voice"]["mode"] == "id"
    assert asked.body["output_format"] == {
        "container": "raw",
        "encoding": "pcm_s16le",
        "sample_rate": 24000,
    }
    service.status, service.answer = 402, {"error": "quota"}
    with pytest.raises(TTSError, match=r"402.*quota"):
        voice.tts("Hello.")
    monkeypatch.setattr(voices, "CARTESIA_URL", "http://127.0.0.1:1")
    with pytest.raises(TTSError, match="cannot be reached"):
        voice.tts("Hello.")


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ConfigurationError, match="cartesia_api_key"):
        get_tts_model("cartesia")
    with pytest.raises(ValueError, match="'kokoro' and 'cartesia'"):
        get_tts_model("espeak")
