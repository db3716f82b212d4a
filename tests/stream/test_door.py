"""The door of the routes: pages, scripts, users, and what a guard says."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from starlette.requests import HTTPConnection
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from fastrtc_core import ConfigurationError, OfferError, Stream, get_current_context
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.context import Context
from fastrtc_core.testing.phone import calling
from tests.webrtc.support import Silent, eventually, gone, make_offer, raw_peer, serving
from tests.websocket.support import connected

JSON = {"content-type": "application/json"}
EVIL = "https://evil.example"
APP = "https://app.example"


async def offer_of(**extra: Any) -> dict[str, Any]:
    """An offer of a peer that is gone by now."""
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        return await make_offer(pc, **extra)


def client_of(app: FastAPI, host: str = "127.0.0.1:7860") -> httpx.AsyncClient:
    """Requests without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


async def test_an_offer_is_json() -> None:
    """A page of another origin can post anything else without asking first."""
    handler, app = Silent(), FastAPI()
    Stream(handler).mount(app)
    async with client_of(app) as http:
        content = json.dumps(await offer_of()).encode()
        for type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", None):
            headers = {} if type is None else {"content-type": type}
            reply = await http.post("/webrtc/offer", content=content, headers=headers)
            assert reply.status_code == 415
            assert reply.json()["status"] == "failed"
            assert "application/json" in reply.json()["meta"]["message"]
        for type in ("application/json; charset=utf-8", "Application/JSON"):
            reply = await http.post("/webrtc/offer", content=b"{}", headers={"content-type": type})
            assert reply.status_code == 400
    assert not handler.copies


async def test_one_rule_for_every_offer_route() -> None:
    """Those of a stream and of channels; before any dependency, and whatever the body."""
    asked: list[str] = []
    app = FastAPI()
    guard = [Depends(lambda: asked.append("guard"))]
    Stream(Silent()).mount(app, dependencies=guard)
    RtcEngine("app").mount(app, "/rtc", dependencies=guard)
    async with client_of(app) as http:
        for path in ("/webrtc/offer", "/rtc/webrtc/offer"):
            for headers in (
                {"origin": EVIL},
                {"origin": EVIL, "sec-fetch-site": "cross-site"},
                {"origin": "http://evil.example:7860", "host": "evil.example:7860"},
            ):
                reply = await http.post(path, json={}, headers=headers)
                assert (reply.status_code, reply.json()["meta"]["error"]) == (403, "origin_refused")
                assert "access-control-allow-origin" not in reply.headers
            assert not asked
            for headers in (
                {},
                {"origin": "http://127.0.0.1:7860"},
                {"origin": "https://voice.example", "sec-fetch-site": "same-origin"},
                {"origin": "https://voice.example", "host": "voice.example"},
            ):
                assert (await http.post(path, json={}, headers=headers)).status_code == 400
            assert asked.pop()
            asked.clear()


@pytest.mark.parametrize("mounted", ["stream", "engine"])
async def test_a_named_page_can_ask_and_read(mounted: str) -> None:
    """Its preflight passes, without a token; every answer is readable, that of a guard too."""

    def refuse() -> None:
        raise HTTPException(401, "Sign in first.")

    app = FastAPI()
    options: dict[str, Any] = {"origins": [APP], "dependencies": [Depends(refuse)]}
    if mounted == "stream":
        Stream(Silent()).mount(app, **options)
    else:
        RtcEngine("app").mount(app, "", **options)
    async with client_of(app) as http:
        asks = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        }
        for path in ("/webrtc/offer", "/webrtc/config"):
            reply = await http.options(path, headers={"origin": APP, **asks})
            assert reply.status_code == 204
            assert reply.headers["access-control-allow-origin"] == APP
            assert reply.headers["access-control-allow-headers"] == "authorization,content-type"
            reply = await http.options(path, headers={"origin": EVIL, **asks})
            assert reply.status_code == 403
            assert "access-control-allow-origin" not in reply.headers
        reply = await http.post("/webrtc/offer", json={}, headers={"origin": APP})
        assert (reply.status_code, reply.json()) == (401, {"detail": "Sign in first."})
        assert reply.headers["access-control-allow-origin"] == APP
        script = await http.get("/webrtc/client.js", headers={"origin": APP})
        assert script.status_code == 200
        assert script.headers["access-control-allow-origin"] == "*"


async def test_the_python_client_is_told_what_the_guard_says() -> None:
    """As an error with its words."""

    def signed_in(authorization: str = Header("")) -> None:
        if authorization != "Bearer good":
            raise HTTPException(401, "Sign in first.")

    stream, app = Stream(Silent()), FastAPI()
    stream.mount(app, dependencies=[Depends(signed_in)])
    async with serving(app) as url:
        with pytest.raises(OfferError, match=r"Sign in first\.") as refused:
            async with Client(url, modality=None):
                pass
        assert refused.value.meta["status"] == 401
        async with Client(url, modality=None, headers={"Authorization": "Bearer good"}):
            assert stream.sessions == 1
        await gone(stream)


class Curious(Silent):
    """Notes the context of each session."""

    async def start_up(self) -> None:
        SEEN.append(get_current_context())


SEEN: list[Context] = []


async def user_of(connection: HTTPConnection) -> str:
    """As an application decodes a token: of any kind of connection."""
    name = connection.headers.get("x-user", "nobody")
    connection.state.plan = f"plan of {name}"
    return name


@pytest.mark.parametrize("user", [Depends(user_of), user_of])
async def test_the_user_is_in_the_context_on_every_transport(user: Any) -> None:
    """Decoded once, by the dependency; `request.state` comes along."""
    SEEN.clear()
    stream, app = Stream(Curious()), FastAPI()
    stream.mount(app, user=user)
    headers = {"x-user": "ada"}
    async with serving(app) as url:
        async with Client(url, modality=None, headers=headers):
            await eventually(lambda: len(SEEN) == 1)
        async with connected(url, additional_headers=headers):
            await eventually(lambda: len(SEEN) == 2)
        async with calling(url, additional_headers=headers):
            await eventually(lambda: len(SEEN) == 3)
        address = url.replace("http", "ws", 1) + "/realtime"
        async with connect(address, additional_headers=headers):
            await eventually(lambda: len(SEEN) == 4)
        await gone(stream)
    transports = ["webrtc", "websocket", "telephone", "realtime"]
    assert [context.transport for context in SEEN] == transports
    for context in SEEN:
        assert context.user == "ada"
        assert context.state.plan == "plan of ada"


async def test_without_a_dependency_there_is_no_user() -> None:
    """And anything else is an error where it is mounted."""
    SEEN.clear()
    stream, app = Stream(Curious()), FastAPI()
    stream.mount(app)

    @app.post("/own")
    async def own(request: Request) -> Any:
        return await stream.offer(await request.json(), request.headers, user="bob")

    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        async with Client(url, modality=None):
            await eventually(lambda: len(SEEN) == 1)

        async def post(body: dict[str, Any]) -> Any:
            return (await http.post("/own", json=body)).json()

        async with Client(post, modality=None):
            await eventually(lambda: len(SEEN) == 2)
        await gone(stream)
    assert [context.user for context in SEEN] == [None, "bob"]
    SEEN[0].state.anything = 1
    for nonsense in ("ada", 5, Depends()):
        with pytest.raises(ConfigurationError, match="user"):
            stream.mount(FastAPI(), user=nonsense)  # type: ignore[arg-type]


async def test_what_a_user_dependency_refuses_is_refused_on_sockets_too() -> None:
    """With its status, before the socket is open."""

    def nobody(connection: HTTPConnection) -> None:
        raise HTTPException(403, "Not you.")

    app = FastAPI()
    Stream(Silent()).mount(app, user=nobody)
    async with serving(app) as url:
        for route in ("websocket/offer", "realtime", "telephone/handler"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"{url.replace('http', 'ws', 1)}/{route}"):
                    pass
            assert refused.value.response.status_code == 403


async def test_pages_may_not_call_by_telephone() -> None:
    """The services send no `Origin`; their routes stay."""
    stream, app = Stream(Silent()), FastAPI()
    stream.mount(app, origins=["*"])
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        for origin in (EVIL, url):
            headers = {"origin": origin}
            reply = await http.post("/telephone/incoming", data={"a": "b"}, headers=headers)
            assert reply.status_code == 403
            with pytest.raises(InvalidStatus) as refused:
                async with calling(url, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 403
        assert (await http.post("/telephone/incoming", data={"a": "b"})).status_code == 200
        assert stream.sessions == 0
