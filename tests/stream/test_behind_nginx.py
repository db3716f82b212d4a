"""What `docs/proxies.md` says of proxies holds with a real nginx."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI, Request
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from fastrtc_core import Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone
from fastrtc_handlers import Echo
from tests.webrtc.support import Silent, eventually, gone, serving
from tests.websocket.support import connected

from .nginx import NAME, Proxy, behind_nginx, find_nginx

pytestmark = [
    pytest.mark.real_time,  # nginx is a process
    pytest.mark.skipif(not find_nginx(), reason="nginx is not installed; scripts/test installs it"),
]

PAGE = Path(__file__).parents[2] / "docs" / "proxies.md"
DOCUMENTED = re.findall(r"```nginx\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
TUTORIAL = (PAGE.parent / "learn" / "sign-in.md").read_text("utf-8")
UPGRADING = """
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
"""
"""What a WebSocket takes, with the `Host` that nginx sends by default."""

EVIL = "https://evil.example"


@asynccontextmanager
async def proxied(
    app: FastAPI, locations: str, folder: Path, **options: Any
) -> AsyncIterator[tuple[Proxy, str]]:
    """An app behind nginx, whose configuration calls it `127.0.0.1:8000`; both, and its URL."""
    async with serving(app, **options) as url:
        assert "127.0.0.1:8000" in locations
        locations = locations.replace("127.0.0.1:8000", url.removeprefix("http://"))
        async with behind_nginx(locations, folder) as proxy:
            yield proxy, url


def app_of(stream: Stream, path: str) -> FastAPI:
    """The stream, and a route that says how it was called."""
    app = FastAPI()
    stream.mount(app, path)

    @app.get(f"{path}/caller")
    def caller(request: Request) -> list[str]:
        assert request.client is not None
        return [request.client.host, request.url.scheme, request.headers["host"]]

    return app


async def refusal(proxy: Proxy, path: str, origin: str) -> tuple[int, str]:
    """How the server closes a WebSocket of a page."""
    async with connect(
        f"wss://{NAME}:{proxy.port}{path}/websocket/offer", origin=Origin(origin), **proxy.socket()
    ) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_there_is_one_configuration() -> None:
    """A second one would be tested as well."""
    assert len(DOCUMENTED) == 1


async def test_the_documented_configuration(tmp_path: Path) -> None:
    """Pages of the server talk over both transports; others are told what was expected."""
    stream = Stream(Echo(), modality="audio")
    app = app_of(stream, "/voice")
    async with proxied(app, DOCUMENTED[0], tmp_path) as (proxy, _):
        async with proxy.http() as http:
            assert "connection.js" in (await http.get("/voice/webrtc/client.js")).text

            async def post(body: dict[str, Any]) -> Any:
                headers = {"origin": proxy.origin}
                return (await http.post("/voice/webrtc/offer", json=body, headers=headers)).json()

            async with Client(post, modality=None):
                assert stream.sessions == 1
            await gone(stream)

            reply = await http.post("/voice/webrtc/offer", json={}, headers={"origin": EVIL})
            assert (reply.status_code, reply.json()["meta"]["error"]) == (403, "origin_refused")
            expected = f"Expected a page of {NAME}:{proxy.port}, not of {EVIL}"
            assert expected in reply.json()["meta"]["message"]

        url = f"{proxy.origin}/voice"
        start = {"encoding": "pcm16", "sample_rate": 48000}
        async with connected(
            url, encoding="pcm16", start=start, origin=proxy.origin, **proxy.socket()
        ) as client:
            await client.speak(tone(440, 1.0))
            await eventually(lambda: len(client.heard) >= 30, "the echo")
            assert fit_sine(client.sound()[0, 9600:24000], 440, 48000).snr > 20
        code, reason = await refusal(proxy, "/voice", EVIL)
        assert code == 1008
        assert expected in reason
        await gone(stream)


async def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a path, only a good token opens a session, and the handler knows its user."""
    monkeypatch.setenv("JWT_SECRET", secret := "a secret of thirty-two characters")
    program = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)[0]
    locations = re.findall(r"```nginx\n(.*?)```", TUTORIAL, re.DOTALL)[0]
    names: dict[str, Any] = {"__name__": "tutorial"}
    exec(compile(program, "sign-in.md", "exec"), names)
    async with proxied(names["app"], locations, tmp_path) as (proxy, _):
        async with proxy.http() as http:
            assert "./webrtc/client.js" in (await http.get("/voice/")).text
            ada = {"name": "ada", "password": "lovelace"}
            reply = await http.post("/voice/login", json={**ada, "password": "byron"})
            assert (reply.status_code, reply.json()) == (
                401,
                {"detail": "The name or the password is wrong."},
            )
            token = (await http.post("/voice/login", json=ada)).json()["token"]
            old = jwt.encode({"sub": "ada", "exp": time.time() - 60}, secret, algorithm="HS256")
            for bad, told in (
                ("nonsense", "Sign in first."),
                (token[:-3], "Sign in first."),
                (old, "Your session has expired. Sign in again."),
            ):
                headers = {"authorization": f"Bearer {bad}"}
                for call in (
                    http.post("/voice/webrtc/offer", json={}, headers=headers),
                    http.get("/voice/webrtc/config", headers=headers),
                ):
                    reply = await call
                    assert (reply.status_code, reply.json()) == (401, {"detail": told})

            async def post(body: dict[str, Any]) -> Any:
                headers = {"origin": proxy.origin, "authorization": f"Bearer {token}"}
                return (await http.post("/voice/webrtc/offer", json=body, headers=headers)).json()

            async with Client(post, modality=None) as client:
                assert (await client.receive()).data == "Hello, ada!"
        await gone(names["stream"])


async def test_the_host_that_nginx_sends_by_default(tmp_path: Path) -> None:
    """Browsers say with requests that a page is the server's; with a WebSocket Chromium does not.

    The refusal says what was expected, and that the proxy must pass on Host.
    """
    stream = Stream(Silent())
    locations = f"location / {{ proxy_pass http://127.0.0.1:8000; {UPGRADING} }}"
    async with proxied(app_of(stream, ""), locations, tmp_path) as (proxy, url):
        upstream = url.removeprefix("http://")
        expected = f"Expected a page of {upstream}, not of {proxy.origin} "
        async with proxy.http() as http:
            own = {"origin": proxy.origin}
            reply = await http.post("/webrtc/offer", json={}, headers=own)
            assert reply.status_code == 403
            assert expected in reply.json()["meta"]["message"]
            assert "a proxy must pass on Host" in reply.json()["meta"]["message"]
            for headers, status in (
                ({"sec-fetch-site": "same-origin"}, 400),  # taken, and no offer
                ({"x-forwarded-host": f"{NAME}:{proxy.port}"}, 400),
                ({"sec-fetch-site": "cross-site", "origin": EVIL}, 403),
            ):
                reply = await http.post("/webrtc/offer", json={}, headers={**own, **headers})
                assert reply.status_code == status
        code, reason = await refusal(proxy, "", proxy.origin)
        assert code == 1008
        assert expected in reason
        assert "a proxy must pass on Host" in reason


async def test_without_upgrade_there_is_no_socket(tmp_path: Path) -> None:
    """nginx drops it by default, and the server sees a plain request; WebRTC needs none."""
    stream = Stream(Silent())
    locations = "location / { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $http_host; }"
    async with proxied(app_of(stream, ""), locations, tmp_path) as (proxy, _):
        with pytest.raises(InvalidStatus) as refused:
            await refusal(proxy, "", proxy.origin)
        assert refused.value.response.status_code == 404
        async with proxy.http() as http:

            async def post(body: dict[str, Any]) -> Any:
                headers = {"origin": proxy.origin}
                return (await http.post("/webrtc/offer", json=body, headers=headers)).json()

            async with Client(post, modality=None):
                assert stream.sessions == 1
        await gone(stream)


@pytest.mark.parametrize("trusted", [None, "127.0.0.1", "10.1.2.3"])
async def test_only_a_named_proxy_says_who_calls(tmp_path: Path, trusted: str | None) -> None:
    """By default one on this machine; and nobody else's X-Forwarded-For is believed."""
    app = app_of(Stream(Silent()), "/voice")
    options = {} if trusted is None else {"forwarded_allow_ips": trusted}
    async with proxied(app, DOCUMENTED[0], tmp_path, **options) as (proxy, url):
        believed = trusted != "10.1.2.3"
        forged = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https"}
        async with proxy.http("127.0.0.2") as http:
            for headers in ({}, forged):
                reply = await http.get("/voice/caller", headers=headers)
                caller = ["127.0.0.2", "https"] if believed else ["127.0.0.1", "http"]
                assert reply.json() == [*caller, f"{NAME}:{proxy.port}"]
        stranger = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(base_url=url, transport=stranger) as http:
            reply = await http.get("/voice/caller", headers=forged)
            assert reply.json() == ["127.0.0.2", "http", url.removeprefix("http://")]


async def test_a_proxy_that_strips_the_path(tmp_path: Path) -> None:
    """With `--root-path`, scripts, both transports and the telephone's address are right."""
    stream = Stream(Silent())
    locations = DOCUMENTED[0].replace("127.0.0.1:8000;", "127.0.0.1:8000/;")
    async with proxied(app_of(stream, ""), locations, tmp_path, root_path="/voice") as (proxy, _):
        async with proxy.http() as http:
            assert "connection.js" in (await http.get("/voice/webrtc/client.js")).text
            reply = await http.post(
                "/voice/webrtc/offer", json={}, headers={"origin": proxy.origin}
            )
            assert reply.status_code == 400
            reply = await http.post("/voice/telephone/incoming", data={"CallSid": "CA1"})
            assert f'"wss://{NAME}:{proxy.port}/voice/telephone/handler"' in reply.text
        async with connected(f"{proxy.origin}/voice", origin=proxy.origin, **proxy.socket()):
            await eventually(lambda: stream.sessions == 1, "the session")
        await gone(stream)
