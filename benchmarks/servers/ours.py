"""Audio echo on fastrtc-core; with `--listen`, a handler that only listens.

With `--own-ports` each session has UDP ports of its own.
"""

import dataclasses
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from fastrtc_core import AsyncStreamHandler, AudioFrame, Stream
from fastrtc_handlers import Echo


class Listener(AsyncStreamHandler):
    async def receive(self, frame: AudioFrame) -> None: ...

    async def emit(self) -> None:
        return None

    def copy(self) -> "Listener":
        return Listener()


ports: dict[str, Any] = {}
if "--own-ports" in sys.argv:
    ports["udp_port_range"] = 20000, 60000

app = FastAPI()
handler = Listener() if "--listen" in sys.argv else Echo()
stream = Stream(handler, concurrency_limit=None, **ports)
stream.mount(app)


@app.get("/network/{webrtc_id}")
def network(webrtc_id: str) -> dict[str, Any]:
    statistics = stream.network_statistics(webrtc_id)
    assert statistics is not None
    return dataclasses.asdict(statistics)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
