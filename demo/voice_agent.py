"""Voice agent: speak to a household. It works offline, has tools, and can be interrupted."""

from typing import Any

import gradio as gr
import pandas as pd
from _cli import launch
from _commands import EXAMPLES, GRAMMAR, SENTENCES
from _household import TOOLS, model

from fastrtc_core import Stream
from fastrtc_handlers import VoiceAgent
from fastrtc_handlers.agent import TurnRecord
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

stt = PocketSphinxSTT(GRAMMAR.format(sentences=SENTENCES))
tts = EspeakTTS("en-us")

STEPS = {"recognised": "words", "first_word": "answer", "first_sound": "sound"}

# Screen readers stumble over Gradio's empty plot.
NOTHING_YET = [{"Turn": "1", "Step": step, "ms": 0} for step in STEPS.values()]


class Household(VoiceAgent):
    """Shows the conversation of one session, and how long the steps of each answer took."""

    def __init__(self) -> None:
        super().__init__(
            model=model, stt=stt, tts=tts, tools=TOOLS, greeting="Hello. What can I do for you?"
        )
        self.took: list[dict[str, Any]] = []

    def on_turn(self, record: TurnRecord) -> None:
        """Note the time from the end of a turn to each of its steps."""
        turn = str(len(self.took) // len(STEPS) + 1)
        times = {step: getattr(record, name) or 0.0 for name, step in STEPS.items()}
        self.took += [
            {"Turn": turn, "Step": step, "ms": round(1000 * seconds)}
            for step, seconds in times.items()
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
            color="Step",
            height=220,
            title="From the end of a turn to each step",
        ),
    ],
    ui_args={"title": "Voice agent", "subtitle": f"Press Start and say one of these: {EXAMPLES}."},
)

if __name__ == "__main__":
    launch(stream)
