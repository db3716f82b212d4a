"""Audio echo on FastRTC, as its documentation writes it; with `--listen`, it only listens."""

import asyncio
import sys

import uvicorn
from fastapi import FastAPI
from fastrtc import AsyncStreamHandler, Stream


class Echo(AsyncStreamHandler):
    def __init__(self):
        super().__init__(input_sample_rate=48000, output_sample_rate=48000)
        self.queue = asyncio.Queue()

    async def receive(self, frame):
        await self.queue.put(frame)

    async def emit(self):
        return await self.queue.get()

    def copy(self):
        return Echo()


class Listener(AsyncStreamHandler):
    async def receive(self, frame): ...

    async def emit(self):
        return None

    def copy(self):
        return Listener()


app = FastAPI()
stream = Stream(
    Listener() if "--listen" in sys.argv else Echo(),
    modality="audio",
    mode="send-receive",
    concurrency_limit=1000,
    server_rtc_configuration={"iceServers": []},
)
stream.mount(app)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
