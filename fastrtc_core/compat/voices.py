"""FastRTC's recogniser and voices under its names."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastrtc_handlers.stt import MoonshineSTT
from fastrtc_handlers.tts import KokoroOptions, KokoroTTS, TTSError
from fastrtc_handlers.tts.types import SyncVoice

from ..errors import ConfigurationError
from ..frames import AudioFrame, to_float32
from .audio import aggregate_bytes_to_16bit

KokoroTTSOptions = KokoroOptions

Samples = NDArray[np.float32] | NDArray[np.int16]

CARTESIA_URL = "https://api.cartesia.ai/tts/bytes"
_TIMEOUT = 10.0
"""How long in s Cartesia may keep silent."""

_KOKORO_FILES = ("kokoro-v1.0.onnx", "voices-v1.0.bin")


@lru_cache
def get_stt_model(
    model: Literal["moonshine/base", "moonshine/tiny"] = "moonshine/base",
) -> MoonshineSTT:
    """The Moonshine recogniser; every call returns the same one.

    Raises:
        ConfigurationError: If the extra `moonshine` is missing.
    """
    return MoonshineSTT(model)


@lru_cache
def get_tts_model(model: Literal["kokoro", "cartesia"] = "kokoro", **kwargs: Any) -> Any:
    """A voice; every call with the same arguments returns the same one.

    Args:
        model: `kokoro` or `cartesia`.
        kwargs: `cartesia_api_key`; or `model_path` and `voices_path` of Kokoro, if they are not to
            come from Hugging Face.

    Raises:
        ConfigurationError: If what it needs is missing.
        ValueError: If there is none of that name.
    """
    if model == "kokoro":
        if "model_path" in kwargs or "voices_path" in kwargs:
            return Voice(KokoroTTS(**kwargs), as_float=True)
        model_path, voices_path = map(_from_hub, _KOKORO_FILES)
        return Voice(KokoroTTS(model_path, voices_path), as_float=True)
    if model == "cartesia":
        return Voice(CartesiaTTS(kwargs.get("cartesia_api_key", "")), as_float=False)
    raise ValueError(f"there is no voice {model!r}; there are 'kokoro' and 'cartesia'")


class Voice:
    """A voice with the shapes of FastRTC's: `(sample_rate, array)`, the array `(samples,)`.

    Args:
        voice: What speaks.
        as_float: Whether its samples become float32 in [-1, 1); else they are int16.
    """

    def __init__(self, voice: SyncVoice, *, as_float: bool) -> None:
        self._voice = voice
        self._as_float = as_float

    def tts(self, text: str, options: Any = None) -> tuple[int, Samples]:
        """Speak a text; returns all of its audio.

        Raises:
            TTSError: If there is nothing in it to be spoken, or the voice fails.
        """
        return self._flat(self._voice.tts(text, options))

    def stream_tts_sync(self, text: str, options: Any = None) -> Iterator[tuple[int, Samples]]:
        """Speak a text; yields audio as soon as it is there. Call it on a thread."""
        return map(self._flat, self._voice.stream_tts_sync(text, options))

    async def stream_tts(
        self, text: str, options: Any = None
    ) -> AsyncIterator[tuple[int, Samples]]:
        """The same on an event loop."""
        async for frame in self._voice.stream_tts(text, options):
            yield self._flat(frame)

    def _flat(self, frame: AudioFrame) -> tuple[int, Samples]:
        samples = frame.data[0]
        return frame.sample_rate, to_float32(samples) if self._as_float else samples


def _from_hub(name: str) -> str:
    """The path of one of Kokoro's files, downloaded on first use."""
    try:
        hub = importlib.import_module("huggingface_hub")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "Kokoro's files come from Hugging Face: pip install huggingface_hub, or pass "
            "model_path and voices_path"
        ) from None
    path: str = hub.hf_hub_download("fastrtc/kokoro-onnx", name)
    return path


@dataclass
class CartesiaTTSOptions:
    """How Cartesia speaks one text.

    Attributes:
        voice: Id of the voice.
        language: Such as `en`.
        emotion: Such as `positivity:high`; sent where it is not empty.
        cartesia_version: Version of the API.
        model: Name of the model.
        sample_rate: In Hz.
    """

    voice: str = "71a7ad14-091c-4e8e-a314-022ece01c121"
    language: str = "en"
    emotion: list[str] = field(default_factory=list)
    cartesia_version: str = "2024-06-10"
    model: str = "sonic-2"
    sample_rate: int = 22_050


class CartesiaTTS(SyncVoice):
    """Speaks by the service of Cartesia. The package `cartesia` is not needed.

    Args:
        api_key: Key of the service.

    Raises:
        ConfigurationError: If there is no key, or httpx is not installed.
    """

    def __init__(self, api_key: str) -> None:
        if not api_key:
            raise ConfigurationError("Pass cartesia_api_key to get_tts_model('cartesia')")
        try:
            self._httpx: Any = importlib.import_module("httpx")
        except ModuleNotFoundError:
            raise ConfigurationError("Cartesia needs httpx: pip install httpx") from None
        self._api_key = api_key

    def stream_tts_sync(
        self, text: str, options: CartesiaTTSOptions | None = None
    ) -> Iterator[AudioFrame]:
        """Speak a text; yields audio as it comes.

        Raises:
            TTSError: If the service cannot be reached, or refuses.
        """
        chosen = options or CartesiaTTSOptions()
        try:
            with self._httpx.stream("POST", CARTESIA_URL, **self._request(text, chosen)) as reply:
                if not reply.is_success:
                    reply.read()
                    raise TTSError(f"Cartesia refused: {reply.status_code} {reply.text[:300]}")
                for samples in aggregate_bytes_to_16bit(reply.iter_bytes()):
                    yield AudioFrame(chosen.sample_rate, samples)
        except self._httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise TTSError(f"Cartesia cannot be reached: {what}") from error

    def _request(self, text: str, options: CartesiaTTSOptions) -> dict[str, Any]:
        voice: dict[str, Any] = {"mode": "id", "id": options.voice}
        if options.emotion:
            voice["__experimental_controls"] = {"emotion": options.emotion}
        return {
            "headers": {
                "X-API-Key": self._api_key,
                "Cartesia-Version": options.cartesia_version,
            },
            "json": {
                "model_id": options.model,
                "transcript": text,
                "voice": voice,
                "language": options.language,
                "output_format": {
                    "container": "raw",
                    "encoding": "pcm_s16le",
                    "sample_rate": options.sample_rate,
                },
            },
            "timeout": _TIMEOUT,
        }
