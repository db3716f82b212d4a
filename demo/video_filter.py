"""Video filter: a plain function turns every picture of your camera into another one."""

from threading import local
from time import perf_counter
from typing import Any

import gradio as gr
import numpy as np
from _cli import launch
from _pace import Pace
from numpy.typing import NDArray

from fastrtc_core import AdditionalOutputs, Stream

Picture = NDArray[np.uint8]  # (height, width, 3), blue, green, red
STRONGEST = 30


def blur(picture: Picture, size: int) -> Picture:
    """The mean of the `size` by `size` pixels around each one, from running sums."""
    smooth = picture
    for _ in ("rows", "columns"):
        padded = np.pad(smooth, ((size // 2 + 1, (size - 1) // 2), (0, 0), (0, 0)), mode="edge")
        sums = np.cumsum(padded, axis=0, dtype=np.int32)
        smooth = ((sums[size:] - sums[:-size]) // size).astype(np.uint8).swapaxes(0, 1)
    return smooth


def pixelate(picture: Picture, size: int) -> Picture:
    height, width = picture.shape[:2]
    return picture[::size, ::size].repeat(size, 0).repeat(size, 1)[:height, :width]


def draw_edges(picture: Picture) -> Picture:
    gray = picture.mean(axis=2, dtype=np.float32)
    steps = np.abs(np.diff(gray, axis=0, append=0)) + np.abs(np.diff(gray, axis=1, append=0))
    edges: Picture = np.clip(255 - 4 * steps, 0, 255).astype(np.uint8)
    return edges[..., np.newaxis].repeat(3, 2)


def apply_filter(picture: Picture, name: str = "Mirror", strength: int = 12) -> Picture:
    match name:
        case "Mirror":
            return picture[:, ::-1]
        case "Upside down":
            return picture[::-1]
        case "Blur":
            return blur(picture, 2 * strength + 1)
        case "Pixels":
            return pixelate(picture, strength + 1)
        case "Edges":
            return draw_edges(picture)
        case "Negative":
            return 255 - picture
    return picture


session = local()  # a function that is not async runs on a thread of its session


def show(picture: Picture, name: str = "Mirror", strength: int = 12) -> Any:
    """The picture, and once a second how fast it goes."""
    if not hasattr(session, "pace"):
        session.pace = Pace()
    began = perf_counter()
    # A client can send any number, and a huge one would take all memory.
    filtered = apply_filter(picture, name, min(strength, STRONGEST))
    if (said := session.pace.note(began)) is None:
        return filtered
    return filtered, AdditionalOutputs(f"{said[0]:.0f} pictures a second, {said[1]:.1f} ms each")


stream = Stream(
    show,
    modality="video",
    mode="send-receive",
    additional_inputs=[
        gr.Radio(
            ["Mirror", "Upside down", "Blur", "Pixels", "Edges", "Negative", "None"],
            value="Mirror",
            label="Filter",
        ),
        gr.Slider(1, STRONGEST, value=12, step=1, label="Strength", info="Of blur and pixels"),
    ],
    additional_outputs=[gr.Textbox(label="Pace", interactive=False)],
    ui_args={"title": "Video filter", "subtitle": "Change the filter while the camera runs."},
)

if __name__ == "__main__":
    launch(stream)
