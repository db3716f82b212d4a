"""Whether a server lives, and can take more."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from fastrtc_core import Stream
from fastrtc_core.client import Client
from tests.webrtc.support import Silent, gone, serving


async def test_a_server_that_is_full_draining_or_late_is_not_ready() -> None:
    """Each with its reason; and it lives on."""
    stream = Stream(Silent(), concurrency_limit=1)
    app = FastAPI()
    stream.mount(app, "/voice", health=True)
    async with serving(app) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:

        async def reasons() -> list[str]:
            answer = await http.get("/readyz")
            assert answer.headers["cache-control"] == "no-store"
            found: list[str] = answer.json()["reasons"]
            assert answer.status_code == (503 if found else 200)
            assert answer.json()["status"] == ("not ready" if found else "ready")
            return found

        assert await reasons() == []
        async with Client(f"{url}/voice", modality=None):
            assert await reasons() == ["full"]
        await gone(stream)
        assert await reasons() == []
        await stream.drain()
        assert await reasons() == ["draining"]
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        stream._registry.resume()
        stream._lag.observe(0.5, now=1e9)
        assert await reasons() == ["late"]
