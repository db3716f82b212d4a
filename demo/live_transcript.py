"""Live transcript: what you say is written while you say it.

Offline, it knows the days of the week. For free speech set STT_MODEL to one of the recognisers
of `get_stt_model`, such as moonshine/base, faster-whisper/base.en or openai.
"""

import os

import gradio as gr
from _cli import launch

from fastrtc_core import Stream
from fastrtc_handlers import Transcriber
from fastrtc_handlers.stt import PocketSphinxSTT, Transcript, get_stt_model

GRAMMAR = """#JSGF V1.0;
grammar words;
public <words> = (monday | tuesday | wednesday | thursday | friday | saturday | sunday)+;
"""

name = os.environ.get("STT_MODEL")
stt = get_stt_model(name) if name else PocketSphinxSTT(GRAMMAR)


def show(final: str, _partial: str, transcript: Transcript) -> tuple[str, str]:
    """From what is shown now (two values) and what is new, what to show next."""
    line = f"{transcript.start:6.1f} s  {transcript.text}\n"
    if not transcript.final:
        return final or "", line
    return (final or "") + (line if transcript.text else ""), ""


stream = Stream(
    Transcriber(stt),
    modality="audio",
    mode="send",
    additional_outputs=[
        gr.Textbox(label="Transcript", lines=10, interactive=False),
        gr.Textbox(label="Being said", interactive=False),
    ],
    additional_outputs_handler=show,
    ui_args={
        "title": "Live transcript",
        "subtitle": "Press Start and speak." if name else "Press Start and say days of the week.",
    },
)

if __name__ == "__main__":
    launch(stream)
