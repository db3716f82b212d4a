"""Radio: everybody hears the same, from one file that is decoded once.

    python demo/radio.py song.mp3 another.flac

Without a file, it plays a music box.
"""

import asyncio
import tempfile
from pathlib import Path

import gradio as gr
import numpy as np
from _cli import arguments, launch
from audio_generator import BEATS, MELODY, RATE, SEMITONES, pluck

from fastrtc_core import AsyncStreamHandler, AudioFrame, AudioStream, FastRTCError, Stream
from fastrtc_core.frames import to_int16
from fastrtc_core.sources import FileSource, SourceTrack


class Station:
    """What is on air, from the first listener on."""

    def __init__(self, files: list[str]) -> None:
        self.track = SourceTrack(FileSource(files, loop=True, num_channels=1))
        self.listeners = 0

    async def tune_in(self) -> AudioStream:
        self.listeners += 1
        await self.track.start()
        return AudioStream(self.track)


class Listener(AsyncStreamHandler):
    """One session."""

    def __init__(self, station: Station) -> None:
        super().__init__(output_sample_rate=48000)
        self.station = station
        self.radio: AudioStream | None = None

    def copy(self) -> "Listener":
        return Listener(self.station)

    async def start_up(self) -> None:
        self.radio = await self.station.tune_in()
        self.create_task(self.report())

    async def report(self) -> None:
        while True:
            on_air = self.station.track.frames * 0.02
            self.publish(f"{self.station.listeners} listening, on air for {on_air:.0f} s")
            await asyncio.sleep(1)

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> AudioFrame:
        assert self.radio is not None
        return await self.radio.read()

    async def shutdown(self) -> None:
        if self.radio is not None:
            self.station.listeners -= 1
            await self.radio.aclose()


def music_box(folder: str) -> str:
    """The melody of the demo `audio_generator` as a file."""
    notes = [pluck(SEMITONES[note[0]], 0.5 * BEATS[note[1:]]) for note in MELODY]
    path = Path(folder) / "music-box.wav"
    path.write_bytes(AudioFrame(RATE, to_int16(np.concatenate(notes)[np.newaxis])).to_wav_bytes())
    return str(path)


def main() -> None:
    parser = arguments()
    parser.add_argument("files", nargs="*", help="audio files, played one after the other, forever")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(
            Listener(Station(options.files or [music_box(folder)])),
            modality="audio",
            mode="receive",
            additional_outputs=[gr.Textbox(label="Station", interactive=False)],
            ui_args={
                "title": "Radio",
                "subtitle": "Open this page twice: both hear the same at the same time.",
            },
        )
        launch(stream, options)


if __name__ == "__main__":
    try:
        main()
    except FastRTCError as error:
        raise SystemExit(str(error)) from None
