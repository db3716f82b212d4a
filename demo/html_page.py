"""Plain HTML page: the browser client on FastAPI without Gradio, with messages both ways."""

from pathlib import Path
from typing import Any

from _cli import serve
from fastapi import FastAPI
from fastapi.responses import FileResponse

from fastrtc_core import Stream
from fastrtc_handlers import Echo

PAGE = Path(__file__).with_suffix(".html")


class TalkativeEcho(Echo):
    """Sends audio back, and answers every message."""

    async def start_up(self) -> None:
        await self.send_message("Hello! Your voice comes back; so do your messages.")

    async def on_message(self, message: Any) -> None:
        await self.send_message(str(message)[::-1])


stream = Stream(TalkativeEcho(), modality="audio", mode="send-receive", time_limit=600)
app = FastAPI()
stream.mount(app)  # /webrtc/offer, and the client at /webrtc/client.js


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


if __name__ == "__main__":
    serve(app)
