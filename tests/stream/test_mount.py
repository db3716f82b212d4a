"""A stream on an app: its routes, their guards, and the end of the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException

from fastrtc_core import ConcurrencyLimitError, Stream
from fastrtc_core.client import Client
from tests.webrtc.support import Silent, app_of, eventually, gone, serving


def signed_in(x_token: str = Header("")) -> None:
    """The guard of an application."""
    if x_token != "secret":
        raise HTTPException(401)


async def test_two_streams_live_on_one_app() -> None:
    """Each under its own path, with its own limit and its own sessions."""
    a, b = Stream(Silent(), concurrency_limit=1), Stream(Silent(), concurrency_limit=1)
    app = FastAPI()
    a.mount(app, "/a", tags=["voice"])
    b.mount(app, path="/b/")
    async with serving(app) as url:
        async with (
            Client(f"{url}/a", modality=None),
            Client(f"{url}/b/webrtc/offer", modality=None),
        ):
            assert (a.sessions, b.sessions) == (1, 1)
            with pytest.raises(ConcurrencyLimitError):
                async with Client(f"{url}/a", modality=None):
                    pass
        await gone(a)
        await gone(b)
    paths = app.openapi()["paths"]
    assert paths["/a/webrtc/offer"]["post"]["tags"] == ["voice"]


@pytest.mark.parametrize(
    "guard", [{"dependencies": [Depends(signed_in)]}, {"user": Depends(signed_in)}]
)
async def test_dependencies_guard_every_route(guard: dict[str, Any]) -> None:
    """Without the token only the script answers, which is no secret; with it everything does."""
    stream = Stream(Silent(), rtc_configuration=[{"urls": "turn:example.org", "username": "u"}])
    app = FastAPI()
    stream.mount(app, **guard)
    routes = [("POST", "/webrtc/offer"), ("GET", "/webrtc/config")]
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        for method, route in routes:
            assert (await http.request(method, route)).status_code == 401
        headers = {"x-token": "secret"}
        config = await http.get("/webrtc/config", headers=headers)
        assert config.json()["iceServers"][0]["username"] == "u"
        assert config.headers["cache-control"] == "no-store"
        module = await http.get("/webrtc/client.js")
        assert module.headers["content-type"].startswith("text/javascript")
        assert "/client.js" in module.text
        async with Client(url, modality=None, headers=headers):
            assert stream.sessions == 1
        await gone(stream)


async def test_the_lifespan_of_the_app_still_runs_and_sessions_end_with_it() -> None:
    """The app's own start and end are called, and no session outlives it."""
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        events.append("start")
        yield {"pool": 1}
        events.append(f"end with {stream.sessions} sessions")

    handler = Silent()
    stream = Stream(handler)
    app = FastAPI(lifespan=lifespan)
    stream.mount(app)
    async with serving(app) as url:
        client = Client(url, modality=None)
        await client.__aenter__()
    try:
        assert await client.wait_closed()
        assert [m.data async for m in client.messages() if m.type == "closing"] == ["drain"]
    finally:
        await client.aclose()
    assert events == ["start", "end with 0 sessions"]
    assert handler.only.calls[-1] == "shutdown"


async def test_an_app_that_starts_again_takes_sessions_again() -> None:
    """As test suites and reloading servers do."""
    stream = Stream(Silent())
    app = app_of(stream)
    for _ in range(2):
        async with serving(app) as url, Client(url, modality=None):
            await eventually(lambda: stream.sessions == 1)
        await gone(stream)
