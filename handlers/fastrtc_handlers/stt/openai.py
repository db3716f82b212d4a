"""A recogniser over HTTP: `POST {base_url}/audio/transcriptions`."""

from __future__ import annotations

from typing import Any

from fastrtc_core import AudioFrame

from ..http import HttpService
from .audio import mono
from .types import Audio, STTError

SAMPLE_RATE = 16000
"""At which audio is sent, in Hz."""


class OpenAISTT:
    """Recognises utterances with an OpenAI-compatible service.

    Args:
        model: Name of the model.
        language: Code of the language; found out by default.
        base_url: Where it is; `OPENAI_BASE_URL` by default, and OpenAI's own without that.
        api_key: `OPENAI_API_KEY` by default.
        timeout: How long in s it may keep silent.

    Raises:
        ConfigurationError: If the extra `openai` is missing, or there is neither key nor address.
    """

    def __init__(
        self,
        model: str = "gpt-4o-mini-transcribe",
        *,
        language: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 20.0,
    ) -> None:
        self._fields = {"model": model, **({"language": language} if language else {})}
        self._service = HttpService(
            "OpenAISTT", STTError, base_url=base_url, api_key=api_key, timeout=timeout
        )

    def stt(self, audio: Audio) -> str:
        """The words of an utterance.

        Raises:
            STTError: If the service cannot be reached, refuses, or answers with something else.
        """
        samples = mono(audio, SAMPLE_RATE)
        if not len(samples):
            return ""
        wav = AudioFrame(SAMPLE_RATE, samples[None]).to_wav_bytes()
        answer: Any = self._service.post(
            "audio/transcriptions",
            data=self._fields,
            files={"file": ("speech.wav", wav, "audio/wav")},
        )
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise STTError("OpenAISTT: the answer has no text")
        return text.strip()
