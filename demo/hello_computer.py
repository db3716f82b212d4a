"""Hello computer: it listens all the time, and answers only when it is called."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from _cli import launch
from _commands import GRAMMAR, SENTENCES, answer

from fastrtc_core import AdditionalOutputs, AudioFrame, Stream
from fastrtc_handlers import ReplyOnStopWords
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

CALL = "computer"

stt = PocketSphinxSTT(GRAMMAR.format(sentences=f"[hello] {CALL} | [[hello] {CALL}] ({SENTENCES})"))
tts = EspeakTTS("en-gb")


def reply(audio: AudioFrame) -> Iterator[Any]:
    """Recognise a command, and say what the household answers."""
    command = stt.stt(audio).split(CALL)[-1].strip()
    text = answer(command)
    yield AdditionalOutputs(f"You: {command or '(not understood)'}\nComputer: {text}\n")
    yield text


def show(log: str, line: str) -> str:
    """From what is shown now and what is new, what to show next."""
    return (log or "") + line


stream = Stream(
    ReplyOnStopWords(reply, [CALL], stt=stt, tts=tts),
    modality="audio",
    mode="send-receive",
    additional_outputs=[gr.Textbox(label="Conversation", lines=8, interactive=False)],
    additional_outputs_handler=show,
    ui_args={
        "title": "Hello computer",
        "subtitle": "Say “Hello computer, what time is it”, or “Computer”, and then the command.",
    },
)

if __name__ == "__main__":
    launch(stream)
