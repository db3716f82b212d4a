"""Multichannel meter: the levels of all channels of a source, and their mix to listen to.

    python demo/multichannel_meter.py voice.wav guitar.wav bass.wav drums.wav

Each file is a channel. Without files, there are four tones that swell one after the other.
"""

import asyncio

import gradio as gr
import numpy as np
import pandas as pd
from _cli import arguments, launch
from numpy.typing import NDArray

from fastrtc_core import AsyncStreamHandler, AudioFrame, FastRTCError, Stream
from fastrtc_core.sources import (
    Block,
    CallbackSource,
    FileSource,
    SourceInterface,
    aiter_source,
    select_channels,
)

RATE = 48000  # Hz
FLOOR = -60  # dB below full scale, where the scale begins
PITCHES = np.array([[261.6], [329.6], [392.0], [523.3]])  # Hz
INTERVAL = 0.2  # s between two pictures


class Meter(AsyncStreamHandler):
    """One session, with a source of its own."""

    def __init__(self, files: list[str]) -> None:
        super().__init__(output_sample_rate=RATE)
        self.files = files
        self.frames: asyncio.Queue[AudioFrame] = asyncio.Queue(maxsize=10)

    def copy(self) -> "Meter":
        return Meter(self.files)

    async def start_up(self) -> None:
        self.create_task(self.watch())

    async def watch(self) -> None:
        """Read the source: every block is heard, and its levels are shown now and then."""
        shown = -INTERVAL
        async with aiter_source(open_source(self.files)) as blocks:
            async for block in blocks:
                await self.frames.put(select_channels(block, "mix"))
                if block.time - shown >= INTERVAL:
                    shown = block.time
                    self.publish(levels(block), f"{block.time:.1f} s, {len(block)} channels")

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> AudioFrame:
        return await self.frames.get()


def open_source(files: list[str]) -> SourceInterface:
    """The files side by side, or the tones."""
    if files:
        return FileSource(channels=files, loop=True)
    return CallbackSource(Tones(), sample_rate=RATE, num_channels=len(PITCHES))


class Tones:
    """Four tones, each of which swells when it is its turn."""

    def __init__(self) -> None:
        self.position = 0

    def __call__(self, count: int) -> NDArray[np.float64]:
        time = np.arange(self.position, self.position + count) / RATE
        self.position += count
        turn = np.arange(len(PITCHES))[:, np.newaxis] / len(PITCHES)
        swell = 0.5 + 0.5 * np.cos(2 * np.pi * (time / 4 - turn))
        return 0.001 + 0.5 * swell**2 * np.sin(2 * np.pi * PITCHES * time)


def levels(block: Block) -> pd.DataFrame:
    """A bar for each channel."""
    power = np.mean((block.data / 32768) ** 2, axis=1)
    decibels = np.maximum(0, 10 * np.log10(power + 1e-12) - FLOOR)
    return bars(decibels.round(1))


def bars(decibels: NDArray[np.float64]) -> pd.DataFrame:
    names = [f"Channel {number}" for number in range(1, len(decibels) + 1)]
    return pd.DataFrame({"Channel": names, "Level": decibels})


def main() -> None:
    parser = arguments()
    parser.add_argument("files", nargs="*", help="an audio file for each channel")
    options = parser.parse_args()
    stream = Stream(
        Meter(options.files),
        modality="audio",
        mode="receive",
        additional_outputs=[
            gr.BarPlot(
                # Screen readers stumble over Gradio's empty plot.
                bars(np.zeros(len(options.files) or len(PITCHES))),
                x="Channel",
                y="Level",
                y_lim=[0, -FLOOR],
                y_title=f"dB above −{-FLOOR} dBFS",
                height=300,
                title="Levels",
            ),
            gr.Textbox(label="Source", interactive=False),
        ],
        ui_args={"title": "Multichannel meter", "subtitle": "Press Start to watch and to listen."},
    )
    launch(stream, options)


if __name__ == "__main__":
    try:
        main()
    except FastRTCError as error:
        raise SystemExit(str(error)) from None
