"""Messages both ways: a gain slider goes in; a level, its curve and a log come out."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
from _cli import launch

from fastrtc_core import AdditionalOutputs, AsyncStreamHandler, AudioFrame, Stream, send_warning

REPORT_EVERY = 10  # frames of 20 ms
SILENCE = (0.0, -60.0)  # where the curve begins: s, dB


class Amplifier(AsyncStreamHandler):
    """Sends audio back at another level, and says how loud it was."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=48000, output_sample_rate=48000)
        self.queue: asyncio.Queue[AudioFrame | AdditionalOutputs] = asyncio.Queue(20)
        self.started = time.monotonic()
        self.gain = 1.0
        self.power: list[float] = []
        self.curve: deque[tuple[float, float]] = deque(maxlen=60)
        self.warned = float("-inf")

    async def start_up(self) -> None:
        self.started = time.monotonic()
        self.report("connected")

    async def receive(self, frame: AudioFrame) -> None:
        gain, mute = self.args or (1.0, False)
        if gain != self.gain:
            self.gain = gain
            self.report(f"gain is now {gain:g}")
        samples = frame.data.astype(np.float32) / 32768 * (0.0 if mute else gain)
        if np.abs(samples).max(initial=0) > 1 and time.monotonic() > self.warned + 5:
            self.warned = time.monotonic()
            send_warning("That is too loud: the sound is cut off at its peaks.")
            self.report("too loud")
        samples = np.clip(samples, -1, 1)
        self.put(AudioFrame(frame.sample_rate, (samples * 32767).astype(np.int16)))
        self.power.append(float(np.mean(samples**2)))
        if len(self.power) == REPORT_EVERY:
            self.report()
            self.power.clear()

    def report(self, event: str = "") -> None:
        """Put out the level in dB, its curve over time, and a line for the log."""
        seconds = round(time.monotonic() - self.started, 1)
        power = float(np.mean(self.power)) if self.power else 0.0
        level = round(10 * math.log10(max(power, 1e-6)), 1)
        self.curve.append((seconds, level))
        curve = curve_of(self.curve)
        line = f"{seconds:6.1f} s   {event}\n" if event else ""
        self.put(AdditionalOutputs(level, curve, line))

    def put(self, item: AudioFrame | AdditionalOutputs) -> None:
        if not self.queue.full():
            self.queue.put_nowait(item)

    async def emit(self) -> AudioFrame | AdditionalOutputs:
        return await self.queue.get()

    def copy(self) -> "Amplifier":
        return Amplifier()


def curve_of(points: Iterable[tuple[float, float]]) -> pd.DataFrame:
    return pd.DataFrame(points, columns=["Time (s)", "Level (dB)"])


def show(
    old_level: float, old_curve: Any, log: str, level: float, curve: pd.DataFrame, line: str
) -> tuple[float, pd.DataFrame, str]:
    """From what is shown now (three values) and what is new (three), what to show next."""
    return level, curve, log + line


stream = Stream(
    Amplifier(),
    modality="audio",
    mode="send-receive",
    additional_inputs=[
        gr.Slider(0, 8, value=1, step=0.1, label="Gain"),
        gr.Checkbox(label="Silence"),
    ],
    additional_outputs=[
        gr.Number(label="Level (dB)", interactive=False),
        gr.LinePlot(
            curve_of([SILENCE]),  # screen readers stumble over Gradio's empty plot
            x="Time (s)",
            y="Level (dB)",
            y_lim=[-60, 0],
            height=220,
            label="Level",
        ),
        gr.Textbox(label="Log", lines=5, interactive=False),
    ],
    additional_outputs_handler=show,
    ui_args={"title": "Messages both ways", "subtitle": "Speak, and move the gain slider."},
)

if __name__ == "__main__":
    launch(stream)
