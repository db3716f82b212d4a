"""Audio echo on fastrtc-core."""

import sys

import uvicorn
from fastapi import FastAPI

from fastrtc_core import Stream
from fastrtc_handlers import Echo

app = FastAPI()
Stream(Echo(), concurrency_limit=None).mount(app)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
