"""Sends pictures and sound on fastrtc-core. Usage: python show_ours.py PORT"""

import itertools
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from show import FPS, PAGE, pictures, sound

from fastrtc_core import AsyncAudioVideoStreamHandler, Stream

PICTURES = pictures()
SOUND = sound()


class Show(AsyncAudioVideoStreamHandler):
    fps = FPS

    def __init__(self) -> None:
        super().__init__()
        self.next = itertools.cycle(PICTURES)
        self.parts = itertools.cycle(range(0, SOUND.shape[1], 480))

    async def receive(self, frame: Any) -> None: ...

    async def emit(self) -> Any:
        at = next(self.parts)
        return 24_000, SOUND[:, at : at + 480]

    async def video_receive(self, frame: Any) -> None: ...

    async def video_emit(self) -> Any:
        return next(self.next)

    def copy(self) -> "Show":
        return Show()


app = FastAPI()
stream = Stream(Show(), modality="audio-video", mode="receive")
stream.mount(app)


@app.get("/")
def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(sys.argv[1]), log_level="error")
