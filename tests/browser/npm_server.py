"""What the page made with the npm package talks to: `PAGE=folder python npm_server.py PORT`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.staticfiles import StaticFiles
from starlette.requests import HTTPConnection

from fastrtc_core import AudioFrame, Stream, get_current_context
from fastrtc_core.channel import RtcEngine, RtcOptions
from fastrtc_handlers import Echo


async def user_of(connection: HTTPConnection) -> str:
    if connection.headers.get("authorization") != "Bearer let-me-in":
        raise HTTPException(401, "Sign in first.")
    return "Ada"


class Mirror(Echo):
    """Plays what it hears, and says which inputs it has whenever they change."""

    def __init__(self) -> None:
        super().__init__()
        self.said: tuple[object, ...] = ()

    async def receive(self, frame: AudioFrame) -> None:
        if self.args and self.args != self.said:
            self.said = self.args
            await self.send_message(f"{get_current_context().user} {list(self.args)}")
        await super().receive(frame)

    def copy(self) -> Mirror:
        return Mirror()


stream = Stream(Mirror(), modality="audio", mode="send-receive")
engine = RtcEngine("npm")


@asynccontextmanager
async def with_host(app: FastAPI) -> AsyncIterator[None]:
    await engine.create_channel(RtcOptions(channel_name="lobby", name="Host")).connect()
    yield


app = FastAPI(lifespan=with_host)
stream.mount(app, "/voice", user=Depends(user_of))
engine.mount(app, "/rtc")


@app.get("/sessions")
async def sessions() -> int:
    return stream.sessions


if __name__ == "__main__":
    app.mount("/", StaticFiles(directory=os.environ["PAGE"], html=True))
    uvicorn.run(app, port=int(sys.argv[1]), ws_per_message_deflate=False, log_level="warning")
