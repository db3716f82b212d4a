"""An app that drains for a while, as a program: its port on the first line."""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI

from fastrtc_core import Stream
from tests.webrtc.support import Silent

app = FastAPI()
for path in ("/a", "/b"):
    Stream(Silent(), drain_timeout=float(sys.argv[1])).mount(app, path, health=True)

if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as sock:
        print(sock.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([sock])
