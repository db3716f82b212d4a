"""Voice agent: speak to a household. It works offline, and can be interrupted."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pandas as pd
from _cli import launch
from _commands import EXAMPLES, GRAMMAR, SENTENCES, answer

from fastrtc_core import AdditionalOutputs, AudioFrame, Playback, Stream
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

stt = PocketSphinxSTT(GRAMMAR.format(sentences=SENTENCES))
tts = EspeakTTS("en-us")

# Screen readers stumble over Gradio's empty plot.
NOTHING_YET = [{"Turn": "1", "Step": step, "ms": 0} for step in ("recognition", "voice")]


class Household(ReplyOnPause):
    """Keeps the conversation of one session, and how long each answer took."""

    def __init__(self) -> None:
        super().__init__(self.reply, startup_fn=self.greet, tts=tts)
        self.chat: list[dict[str, str]] = []
        self.took: list[dict[str, Any]] = []

    def greet(self) -> Iterator[Any]:
        """What is said when the session begins."""
        text = "Hello. What can I do for you?"
        yield self.note("assistant", text)
        yield text

    def reply(self, audio: AudioFrame) -> Iterator[Any]:
        """Recognise a command, and say what the household answers."""
        began = time.perf_counter()
        command = stt.stt(audio)
        recognised = time.perf_counter()
        yield self.note("user", command or "(not understood)")
        text = answer(command)
        frames = tts.stream_tts_sync(text)
        first = next(frames)
        self.took += [
            {"Turn": self.turns_so_far(), "Step": step, "ms": round(1000 * seconds)}
            for step, seconds in (
                ("recognition", recognised - began),
                ("voice", time.perf_counter() - recognised),
            )
        ]
        yield first, self.note("assistant", text)
        yield from frames

    def on_interrupted(self, playback: Playback) -> None:
        """Say in the conversation that not all of an answer was heard."""
        values = self.note("assistant", f"(interrupted after {playback.heard:.1f} s)").args
        self.publish(*values)

    def note(self, role: str, text: str) -> AdditionalOutputs:
        """Add a line to the conversation; what there is to be shown now."""
        self.chat.append({"role": role, "content": text})
        return AdditionalOutputs(list(self.chat), pd.DataFrame(self.took or NOTHING_YET))

    def turns_so_far(self) -> str:
        """Which turn this is."""
        return str(sum(line["role"] == "user" for line in self.chat))


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
            title="From the end of a turn to the reply",
        ),
    ],
    ui_args={"title": "Voice agent", "subtitle": f"Press Start and say one of these: {EXAMPLES}."},
)

if __name__ == "__main__":
    launch(stream)
