"""Meeting: several browsers talk to each other, with names, levels and a chat."""

from pathlib import Path

from _cli import serve
from fastapi import FastAPI
from fastapi.responses import FileResponse

from fastrtc_core.channel import RtcEngine

PAGE = Path(__file__).with_suffix(".html")

engine = RtcEngine("meeting")
app = FastAPI()
engine.mount(app, "/rtc")  # /rtc/webrtc/offer, and the client at /rtc/webrtc/client.js


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


if __name__ == "__main__":
    serve(app)
