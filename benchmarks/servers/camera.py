"""Takes the cameras of browsers on fastrtc-core: in sessions, and in a channel.

Usage: python camera.py PORT [CLIENT_BIT_RATE]
"""

import dataclasses
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from fastrtc_core import AsyncAudioVideoStreamHandler, AudioFrame, Stream, VideoOptions
from fastrtc_core.channel import RtcEngine

PAGE = """<!doctype html><meta charset="utf-8"><title>Camera</title><link rel="icon" href="data:,">
<script type="module">
  import { Connection } from "/call/webrtc/client.js";
  window.Connection = Connection;
</script>"""


class Watcher(AsyncAudioVideoStreamHandler):
    async def receive(self, frame: AudioFrame) -> None: ...

    async def emit(self) -> None:
        return None

    async def video_receive(self, frame: Any) -> None: ...

    def copy(self) -> "Watcher":
        return Watcher()


options = VideoOptions()
if len(sys.argv) > 2:
    options = VideoOptions(client_bit_rate=int(sys.argv[2]) or None)
app = FastAPI()
stream = Stream(Watcher(), modality="audio-video", mode="send", video_options=options)
stream.mount(app, "/call")
RtcEngine("benchmark", video_options=options).mount(app, "/rtc")


@app.get("/")
def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.get("/network/{webrtc_id}")
def network(webrtc_id: str) -> dict[str, Any] | None:
    statistics = stream.network_statistics(webrtc_id)
    return None if statistics is None else dataclasses.asdict(statistics)


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(sys.argv[1]), log_level="error")
