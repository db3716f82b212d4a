"""An app for several workers: it tells with each response which process has given it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from fastrtc_core import AdditionalOutputs, AsyncStreamHandler, AudioFrame, Stream
from fastrtc_core.channel.bus import LocalBus
from fastrtc_core.testing import tone


class Parrot(AsyncStreamHandler):
    """Gives back messages, sound and inputs, and says texts as tones."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=48000, output_sample_rate=48000)
        self.queue: asyncio.Queue[AudioFrame | AdditionalOutputs] = asyncio.Queue()
        self.tts = self
        self.seen: Any = []

    def tts_of(self, text: str) -> AudioFrame:
        return tone(440, 0.2 * len(text.split()), 48000)

    def stream_tts_sync(self, text: str) -> Any:
        yield self.tts_of(text)

    async def receive(self, frame: AudioFrame) -> None:
        self.queue.put_nowait(frame)
        if self.latest_args[1:] != self.seen:
            self.seen = self.latest_args[1:]
            self.queue.put_nowait(AdditionalOutputs(*self.seen))

    async def emit(self) -> AudioFrame | AdditionalOutputs:
        return await self.queue.get()

    async def on_message(self, message: Any) -> None:
        await self.send_message(message)

    def copy(self) -> Parrot:
        return Parrot()


stream = Stream(Parrot(), resume_timeout=20, bus=LocalBus(os.environ["BUS"]))
app = FastAPI()
stream.mount(app, health=True)


@app.middleware("http")
async def sign(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call(request)
    response.headers["x-process"] = str(os.getpid())
    return response


@app.post("/input/{id}")
async def set_input(id: str, values: list[Any]) -> None:
    await stream.anywhere.set_input(id, *values)


@app.post("/say/{id}")
async def say(id: str, text: str) -> None:
    await stream.anywhere.say(id, text)


@app.get("/outputs/{id}")
async def outputs(id: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        async for outputs in stream.anywhere.output_stream(id):
            yield json.dumps(outputs.args) + "\n"

    return StreamingResponse(lines())
