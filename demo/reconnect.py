"""Reconnect: a session that goes on after a reload, and after its network was gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from _cli import serve
from audio_generator import BEATS, MELODY, RATE, SEMITONES, pluck
from fastapi import FastAPI
from fastapi.responses import FileResponse
from numpy.typing import NDArray

from fastrtc_core import AsyncStreamHandler, AudioFrame, Stream

PAGE = Path(__file__).with_suffix(".html")


class MusicBox(AsyncStreamHandler):
    """Plays on where its listener has heard it last, and tells how much that is."""

    def __init__(self) -> None:
        super().__init__(output_sample_rate=RATE)
        self.times_away = 0

    def copy(self) -> "MusicBox":
        return MusicBox()

    async def start_up(self) -> None:
        self.music = self.say(self.play())
        self.create_task(self.report())

    async def play(self) -> AsyncIterator[tuple[int, NDArray[np.float32]]]:
        while True:
            for note in MELODY:
                yield RATE, pluck(SEMITONES[note[0]], 0.5 * BEATS[note[1:]])

    async def report(self) -> None:
        while True:
            # What was sent and did not arrive is taken back: it does not count as heard.
            self.post_message({"heard": self.music.heard, "timesAway": self.times_away})
            await asyncio.sleep(0.25)

    async def on_pause(self) -> None:
        self.times_away += 1

    async def receive(self, frame: AudioFrame) -> None:
        pass

    async def emit(self) -> None:
        await asyncio.Event().wait()


stream = Stream(MusicBox(), mode="receive", resume_timeout=60, concurrency_limit=20)
app = FastAPI()
stream.mount(app)


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


if __name__ == "__main__":
    serve(app)
