"""A server in a process of its own: an echo, and what became of its sessions.

All share one UDP port. On `/shared` its agent is a lite one. On `/resumable` sessions wait for
their client, and on `/rtc` are channels; in one of them a bot (uid 9) gives back what it is called
with. `/` is a page for browsers, and `/pages/tcp` one for `/tcp`, where there is a TCP port beside
the UDP port.

Usage: python server.py ADDRESS PORT
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from fastrtc_core import CloseReason, Stream
from fastrtc_core.channel import RpcInvocation, RtcEngine, RtcOptions
from fastrtc_handlers import Echo

PAGE = """<!doctype html><meta charset="utf-8"><title>Client</title><link rel="icon" href="data:,">
<script type="module">
  import { Connection } from "/{stream}/webrtc/client.js";
  import { Channel } from "/rtc/webrtc/client.js";
  Object.assign(window, { Connection, Channel });
</script>"""

ended: list[CloseReason] = []
engine = RtcEngine("network")


async def give_back(call: RpcInvocation) -> str:
    return call.payload


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    bot = engine.create_channel(RtcOptions(channel_name="room", uid=9, name="Bot"))
    bot.register_rpc_method("echo", give_back)
    await bot.connect()
    yield


app = FastAPI(lifespan=lifespan)
stream = Stream(Echo(), on_disconnect=ended.append)
stream.mount(app)
shared = Stream(Echo(), on_disconnect=ended.append, udp_port=0)
shared.mount(app, "/shared")
tcp = Stream(Echo(), on_disconnect=ended.append, udp_port=0, tcp_port=0)
tcp.mount(app, "/tcp")
engine.mount(app, "/rtc")
resumable = Stream(Echo(), on_disconnect=ended.append, resume_timeout=30)
resumable.mount(app, "/resumable")


@app.get("/", response_class=HTMLResponse)
@app.get("/pages/{stream}", response_class=HTMLResponse)
def page(stream: str = "shared") -> str:
    return PAGE.replace("{stream}", stream)


@app.get("/sessions")
def sessions() -> dict[str, Any]:
    running = sum(one.sessions for one in (stream, shared, tcp, resumable))
    return {"running": running, "ended": ended}


@app.get("/members")
def members() -> dict[str, list[int]]:
    return {name: sorted(room.members) for name, room in engine.snapshot().channels.items()}


@app.get("/network/{webrtc_id}")
def network(webrtc_id: str) -> dict[str, Any]:
    statistics = stream.network_statistics(webrtc_id)
    assert statistics is not None
    return dataclasses.asdict(statistics)


if __name__ == "__main__":
    uvicorn.run(app, host=sys.argv[1], port=int(sys.argv[2]), log_level="warning")
