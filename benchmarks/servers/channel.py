"""Channels of fastrtc-core, for participants of any name of a channel."""

import sys

import uvicorn
from fastapi import FastAPI

from fastrtc_core.channel import RtcEngine

app = FastAPI()
RtcEngine("benchmark").mount(app, "")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
