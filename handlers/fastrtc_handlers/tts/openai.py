"""A voice over HTTP: `POST {base_url}/audio/speech`, as OpenAI and many others have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame

from ..http import HttpService
from .types import TTSError

SAMPLE_RATE = 24000
"""Of the format `pcm`, in Hz: 16 bits, mono."""


@dataclass(frozen=True)
class OpenAITTSOptions:
    """How one text is spoken.

    Attributes:
        model: Name of the model.
        voice: Name of the voice.
        extra: More fields of the request.
    """

    model: str = "gpt-4o-mini-tts"
    voice: str = "alloy"
    extra: dict[str, Any] | None = None


class OpenAITTS:
    """Speaks with an OpenAI-compatible service, audio as it comes.

    Args:
        options: How texts are spoken.
        base_url: Where it is; `OPENAI_BASE_URL` by default, and OpenAI's own without that.
        api_key: `OPENAI_API_KEY` by default.
        timeout: How long in s it may keep silent.
        sample_rate: Rate of its `pcm`, in Hz.

    Raises:
        ConfigurationError: If the extra `openai` is missing, or there is neither key nor address.
    """

    def __init__(
        self,
        options: OpenAITTSOptions | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 10.0,
        sample_rate: int = SAMPLE_RATE,
    ) -> None:
        self.options = options or OpenAITTSOptions()
        self.sample_rate = sample_rate
        self._service = HttpService(
            "OpenAITTS", TTSError, base_url=base_url, api_key=api_key, timeout=timeout
        )

    async def stream_tts(
        self, text: str, options: OpenAITTSOptions | None = None
    ) -> AsyncIterator[AudioFrame]:
        """Speak a text.

        Raises:
            TTSError: If the service cannot be reached, refuses, or keeps silent for too long.
        """
        chosen = options or self.options
        body = {
            "model": chosen.model,
            "voice": chosen.voice,
            "input": text,
            "response_format": "pcm",
            **(chosen.extra or {}),
        }
        odd = b""
        async for data in self._service.stream("audio/speech", json=body):
            data = odd + data
            whole = len(data) // 2 * 2
            odd = data[whole:]
            if whole:
                samples = np.frombuffer(data[:whole], "<i2").astype(np.int16)
                yield AudioFrame(self.sample_rate, samples[np.newaxis])
