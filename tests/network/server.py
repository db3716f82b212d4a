"""A server in a process of its own: an echo, and what became of its sessions.

Usage: python server.py ADDRESS PORT
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from fastrtc_core import CloseReason, Stream
from fastrtc_handlers import Echo

ended: list[CloseReason] = []
app = FastAPI()
stream = Stream(Echo(), on_disconnect=ended.append)
stream.mount(app)


@app.get("/sessions")
def sessions() -> dict[str, Any]:
    return {"running": stream.sessions, "ended": ended}


@app.get("/network/{webrtc_id}")
def network(webrtc_id: str) -> dict[str, Any]:
    statistics = stream.network_statistics(webrtc_id)
    assert statistics is not None
    return dataclasses.asdict(statistics)


if __name__ == "__main__":
    uvicorn.run(app, host=sys.argv[1], port=int(sys.argv[2]), log_level="warning")
