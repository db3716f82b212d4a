"""Audio generator: listen to what a generator function yields; no microphone needed."""

import re
from collections.abc import Iterator

import gradio as gr
import numpy as np
from _cli import launch
from numpy.typing import NDArray

from fastrtc_core import AdditionalOutputs, Stream

RATE = 48000  # Hz
MELODY = re.findall("[C-G][-/]?", "EEFG GFED CCDE E-D/D- EEFG GFED CCDE D-C/C-")
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7}  # above C4
BEATS = {"": 1.0, "-": 1.5, "/": 0.5}


def pluck(semitones: int, seconds: float) -> NDArray[np.float32]:
    """A note like that of a music box: three partials that fade, the high ones sooner."""
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = 523.25 * 2 ** (semitones / 12)
    note = sum(
        np.sin(2 * np.pi * pitch * partial * time) * np.exp(-3 * partial * time) / partial
        for partial in (1, 2, 4)
    )
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)  # no click at either end
    return (0.25 * note * fade).astype(np.float32)


def play(tempo: int = 120) -> Iterator[tuple[int, NDArray[np.float32]] | AdditionalOutputs]:
    """Yield one note after the other; the session ends when the melody does."""
    for number, note in enumerate(MELODY, start=1):
        yield AdditionalOutputs(f"{note[0]}   ({number} of {len(MELODY)})")
        yield RATE, pluck(SEMITONES[note[0]], 60 / tempo * BEATS[note[1:]])


stream = Stream(
    play,
    modality="audio",
    mode="receive",
    additional_inputs=[gr.Slider(60, 240, value=120, step=10, label="Tempo (beats per minute)")],
    additional_outputs=[gr.Textbox(label="Note", interactive=False)],
    ui_args={"title": "Audio generator", "subtitle": "A music box. The tempo holds from Start on."},
)

if __name__ == "__main__":
    launch(stream)
