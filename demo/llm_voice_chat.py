"""Voice chat with a language model, behind any OpenAI-compatible service.

Environment: OPENAI_API_KEY, OPENAI_BASE_URL (another service), LLM_MODEL, STT_MODEL (openai,
moonshine/base, …) and TTS_MODEL (openai, espeak, …).
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import gradio as gr
import httpx
from _cli import launch

from fastrtc_core import AdditionalOutputs, AudioFrame, Stream
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.stt import get_stt_model
from fastrtc_handlers.tts import get_tts_model

URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
KEY = os.environ.get("OPENAI_API_KEY", "")
MODEL = os.environ.get("LLM_MODEL", "gpt-4o-mini")
SYSTEM = "You speak with the user by voice. Answer in one to three short sentences, without lists."

stt = get_stt_model(os.environ.get("STT_MODEL", "openai"))
tts = get_tts_model(os.environ.get("TTS_MODEL", "openai"))


class VoiceChat(ReplyOnPause):
    """Keeps the conversation of one session; what was not heard of an answer is not in it."""

    def __init__(self) -> None:
        super().__init__(self.answer, tts=tts)
        self.messages: list[dict[str, str]] = [{"role": "system", "content": SYSTEM}]

    def answer(self, audio: AudioFrame, *, text: str) -> Iterator[Any]:
        """Recognise what was said, and say what the model writes while it writes it."""
        heard = stt.stt(audio) if audio.samples_per_channel else ""  # or all of it was typed
        said = f"{heard} {text}".strip()
        if not said:
            return
        self.messages.append({"role": "user", "content": said})
        yield AdditionalOutputs(self.messages[1:])
        written = ""
        for token in complete(self.messages):
            written += token
            yield token
        self.messages.append({"role": "assistant", "content": written})
        yield AdditionalOutputs(self.messages[1:])

    def on_interrupted(self, playback: Any) -> None:
        """Remember only what was heard."""
        if playback.text:
            self.messages.append({"role": "assistant", "content": playback.text + " …"})


def complete(messages: list[dict[str, str]]) -> Iterator[str]:
    """The tokens of the next message."""
    body = {"model": MODEL, "messages": messages, "stream": True}
    headers = {"authorization": f"Bearer {KEY}"} if KEY else {}
    url = f"{URL}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:]).get("choices", []):
                    yield choice["delta"].get("content") or ""


stream = Stream(
    VoiceChat(),
    modality="audio",
    mode="send-receive",
    additional_outputs=[gr.Chatbot(label="Conversation", height=400, buttons=["copy"])],
    additional_outputs_handler=lambda _shown, messages: messages,
    ui_args={
        "title": "Voice chat",
        "subtitle": f"With {MODEL}. Speak, type, and interrupt it at will.",
        "text_box": True,
    },
)

if __name__ == "__main__":
    launch(stream)
