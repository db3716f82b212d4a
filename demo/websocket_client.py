"""WebSocket client: a page without WebRTC, and a Python program, talk to the same handler.

The page is the server's. The program plays a file (a rising tone when none is given) to the running
server, writes what comes back to another one, and measures how long it took:

    python demo/websocket_client.py --client --play question.wav --write answer.wav
"""

import asyncio
from pathlib import Path
from typing import Any

from _audio import read_audio, write_wav
from _cli import arguments, serve
from _talk import RATE, rising_tone, talk
from fastapi import FastAPI
from fastapi.responses import FileResponse

from fastrtc_core import AsyncStreamHandler, AudioFrame, Stream

PAGE = Path(__file__).with_suffix(".html")
DELAY = 0.5  # s


class LateEcho(AsyncStreamHandler):
    """Sends audio back half a second later. "hush" makes it forget; other messages come back."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=RATE, output_sample_rate=RATE)
        self.frames: asyncio.Queue[tuple[float, AudioFrame]] = asyncio.Queue(100)  # 2 s

    async def start_up(self) -> None:
        await self.send_message("Hello! You hear yourself half a second later.")

    async def receive(self, frame: AudioFrame) -> None:
        if self.frames.full():
            self.frames.get_nowait()
        self.frames.put_nowait((self.loop.time() + DELAY, frame))

    async def emit(self) -> AudioFrame:
        due, frame = await self.frames.get()
        await asyncio.sleep(due - self.loop.time())
        return frame

    async def on_message(self, message: Any) -> None:
        if message != "hush":
            await self.send_message(str(message)[::-1])
            return
        while not self.frames.empty():
            self.frames.get_nowait()
        self.clear_queue()  # the client gets `clear`, and discards what it holds
        await self.send_message("Forgotten. What you say from now on comes back.")

    def copy(self) -> "LateEcho":
        return LateEcho()


stream = Stream(LateEcho(), modality="audio", mode="send-receive", time_limit=600)
app = FastAPI()
stream.mount(app)  # /websocket/offer


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


if __name__ == "__main__":
    parser = arguments()
    parser.add_argument("--client", action="store_true", help="be the program, not the server")
    parser.add_argument("--play", type=Path, help="the file that the program plays")
    parser.add_argument(
        "--write", type=Path, help="the file for what came back, instead of a temporary one"
    )
    options = parser.parse_args()
    if options.client:
        audio = read_audio(options.play, RATE) if options.play else rising_tone()
        url = f"ws://{options.host}:{options.port}/websocket/offer"
        print(f"Talking to {url}", flush=True)
        write_wav(options.write, asyncio.run(talk(url, audio)))
    else:
        serve(app, options)
