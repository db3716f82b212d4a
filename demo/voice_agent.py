"""Voice agent: speak to a household. It works offline, has tools, and can be interrupted."""

from typing import Any

import gradio as gr
import pandas as pd
from _cli import launch
from _commands import EXAMPLES, GRAMMAR, SENTENCES
from _household import TOOLS, model

from fastrtc_core import Stream, TurnRecord
from fastrtc_handlers import VoiceAgent
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

stt = PocketSphinxSTT(GRAMMAR.format(sentences=SENTENCES))
tts = EspeakTTS("en-us")

# Screen readers stumble over Gradio's empty plot.
NOTHING_YET = [{"Turn": "1", "Stage": "silence", "ms": 0}]


class Household(VoiceAgent):
    """Shows the conversation of one session, and where the silence before each answer went."""

    def __init__(self) -> None:
        super().__init__(
            model=model, stt=stt, tts=tts, tools=TOOLS, greeting="Hello. What can I do for you?"
        )
        self.took: list[dict[str, Any]] = []

    def on_turn(self, record: TurnRecord) -> None:
        """Note how long each stage of the answer took."""
        self.took += [
            {"Turn": str(record.number), "Stage": stage, "ms": round(1000 * seconds)}
            for stage, seconds in record.stages.items()
        ]
        self.on_history(self.history)

    def on_history(self, messages: list[dict[str, Any]]) -> None:
        """Show what was said, as far as it was heard."""
        chat = [
            {"role": message["role"], "content": message["content"]}
            for message in messages
            if message["role"] in ("user", "assistant") and message["content"]
        ]
        self.publish(chat, pd.DataFrame(self.took or NOTHING_YET))


stream = Stream(
    Household(),
    modality="audio",
    mode="send-receive",
    additional_outputs=[
        # Without a button in it, the keyboard could not scroll it.
        gr.Chatbot(label="Conversation", height=320, buttons=["copy"]),
        gr.BarPlot(
            pd.DataFrame(NOTHING_YET),
            x="Turn",
            y="ms",
            color="Stage",
            height=220,
            title="From the end of the speech to the answer",
        ),
    ],
    ui_args={"title": "Voice agent", "subtitle": f"Press Start and say one of these: {EXAMPLES}."},
)

if __name__ == "__main__":
    launch(stream)
