"""One of several servers of a channel, as a program: `server.py URL_OF_REDIS PORT`."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from fastrtc_core.channel import RtcEngine
from fastrtc_core.cluster.bus import RedisBus

engine = RtcEngine("app", bus=RedisBus(sys.argv[1]))
app = FastAPI()
engine.mount(app, "/rtc")


@app.get("/")
def ready() -> str:
    """Whether it serves."""
    return "ready"


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
