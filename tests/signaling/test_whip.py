"""WHIP and WHEP with real peers: the statuses and headers of RFC 9725, and media both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import Stream
from fastrtc_core.errors import MalformedCandidateError
from fastrtc_core.signaling.fragments import parse_fragment
from fastrtc_core.signaling.whip import ice_links
from fastrtc_core.testing import tone
from fastrtc_core.webrtc.sdp.description import Description

from ..fuzz.strategies import examples
from ..webrtc.restarts import mover, moves_over
from ..webrtc.support import (
    OWN_PORTS,
    Silent,
    app_of,
    connected,
    eventually,
    gone,
    raw_peer,
    serving,
)

SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}


@asynccontextmanager
async def http_to(app: FastAPI | Stream, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server of this app."""
    app = app_of(app) if isinstance(app, Stream) else app
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=20, **options) as http:
        yield http


async def offer_of(pc: RTCPeerConnection, direction: str) -> str:
    if direction == "sendonly":
        pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
    else:
        pc.addTransceiver("audio", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    return pc.localDescription.sdp


async def posted(
    http: httpx.AsyncClient, pc: RTCPeerConnection, path: str, direction: str = "sendonly"
) -> httpx.Response:
    """Post an offer, and take the answer."""
    response = await http.post(path, content=await offer_of(pc, direction), headers=SDP)
    assert response.status_code == 201, response.text
    await pc.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
    return response


def without_candidates(sdp: str) -> tuple[str, str]:
    """An offer without its candidates, and these as a fragment."""
    lines = sdp.splitlines()
    found = [line for line in lines if line.startswith(("a=candidate:", "a=end-of-candidates"))]
    ufrag = next(line for line in lines if line.startswith("a=ice-ufrag:"))
    media = next(line for line in lines if line.startswith("m="))
    kept = [line for line in lines if line not in found]
    fragment = [ufrag, "a=ice-pwd:xxxxxxxxxxxxxxxxxxxxxxxx", media, "a=mid:0", *found, ""]
    return "\r\n".join([*kept, ""]), "\r\n".join(fragment)


async def test_a_client_of_whip_is_heard() -> None:
    """It gets a URL for its session, and a DELETE there ends it."""
    handler = Silent()
    stream = Stream(handler, mode="send")
    async with http_to(stream) as http, raw_peer() as pc:
        response = await posted(http, pc, "/whip")
        assert response.headers["content-type"] == "application/sdp"
        assert response.headers["location"].startswith("/whip/")
        assert response.headers["etag"].startswith('"')
        assert "a=recvonly" in response.text
        await connected(pc)
        await eventually(lambda: handler.copies and handler.only.frames, "sound")
        url = response.headers["location"]
        assert (await http.delete(url)).status_code == 200
        await gone(stream)
        assert (await http.delete(url)).status_code == 404
        assert (await http.patch(url, headers=FRAGMENT)).status_code == 404
    assert handler.only.calls[-1] == "shutdown"


async def test_a_client_of_whep_hears() -> None:
    """What the handler emits comes to a client that only receives."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, mode="receive")
    async with http_to(stream) as http, raw_peer() as pc:
        tracks: list[Any] = []
        pc.on("track", tracks.append)
        await posted(http, pc, "/whep", "recvonly")
        await connected(pc)
        await eventually(lambda: "start_up" in handler.only.calls, "the session")
        handler.only.to_emit.put_nowait(tone(440, 1.0, 48000))
        loudest = 0
        async with asyncio.timeout(10):
            while loudest < 3000:
                frame = await tracks[0].recv()
                loudest = max(loudest, int(np.abs(frame.to_ndarray()).max()))
    await gone(stream, within=10)


async def test_candidates_that_come_later() -> None:
    """A PATCH with the ETag brings them; the connection stands with them alone."""
    stream = Stream(Silent(), mode="send", **OWN_PORTS)
    async with http_to(stream) as http, raw_peer() as pc:
        sdp, fragment = without_candidates(await offer_of(pc, "sendonly"))
        assert "a=candidate" in fragment
        response = await http.post("/whip", content=sdp, headers=SDP)
        url, etag = response.headers["location"], response.headers["etag"]
        answer, _ = without_candidates(response.text)  # so that the checks come from the server

        async def patch(text: str, status: int, **headers: str) -> None:
            patched = await http.patch(url, content=text, headers={**FRAGMENT, **headers})
            assert patched.status_code == status, patched.text
            if status != 204:
                assert patched.headers["content-type"] == "application/problem+json"
                assert patched.json()["status"] == status

        await patch(fragment, 428)
        await patch(fragment, 412, **{"if-match": '"another"'})
        await patch(fragment, 422, **{"if-match": "*"})
        await patch(fragment.replace("ufrag:", "ufrag:x"), 422, **{"if-match": etag})
        await patch("nonsense", 400, **{"if-match": etag})
        wrong = {"content-type": "text/plain", "if-match": etag}
        assert (await http.patch(url, content=fragment, headers=wrong)).status_code == 415
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        # What names no section of the offer is of no use, and no harm.
        await patch(fragment.replace("a=mid:0", "a=mid:none"), 204, **{"if-match": etag})
        await patch(fragment, 204, **{"if-match": etag})
        await connected(pc)
    await gone(stream, within=10)


@pytest.mark.parametrize(("ports", "lite"), [({}, False), ({"udp_port": 0}, True)])
async def test_ice_is_restarted(ports: dict[str, Any], lite: bool) -> None:
    """A PATCH with `If-Match: *` (RFC 9725 section 4.3.3): media go on over the client's new agent.

    The new ETag alone holds from then on.
    """
    handler = Silent()
    stream = Stream(handler, **ports)
    async with http_to(stream) as http:
        responses: list[httpx.Response] = []

        async def offer(body: dict[str, Any]) -> dict[str, Any]:
            responses.append(await http.post("/whip", content=body["sdp"], headers=SDP))
            return {"sdp": responses[0].text, "type": "answer"}

        async with mover(offer) as client:
            url, etag = responses[0].headers["location"], responses[0].headers["etag"]

            async def patch(text: str, match: str) -> httpx.Response:
                headers = {**FRAGMENT, "if-match": match}
                return await http.patch(url, content=text, headers=headers)

            old = fragment_of(client.pc.localDescription.sdp)
            assert (await patch(old, "*")).status_code == 422, "nothing is new"
            for match in ("*", '"*"'):
                fragment = fragment_of(await client.offer())
                for pwd in ("a=x:", "a=ice-pwd:short\r\na=x:", "a=ice-pwd:1\r\na=ice-pwd:"):
                    bad = fragment.replace("a=ice-pwd:", pwd)
                    assert (await patch(bad, match)).status_code == 400
                assert (await patch(fragment, etag)).status_code == 422, "that is no candidate"
                restarted = await patch(fragment, match)
                assert restarted.status_code == 200, restarted.text
                assert restarted.headers["content-type"] == FRAGMENT["content-type"]
                assert ("a=ice-lite" in restarted.text) is lite
                assert (await patch(fragment, etag)).status_code == 412
                etag = restarted.headers["etag"]
                assert (await patch(fragment, etag)).status_code == 204
                await moves_over(stream, handler, client, restarted.text)
            assert (await http.delete(url)).status_code == 200
            await gone(stream)
            assert (await patch(fragment, "*")).status_code == 404


def fragment_of(sdp: str) -> str:
    """The credentials and candidates of an offer."""
    section = Description.parse(sdp).sections[0]
    starts = ("a=ice-ufrag:", "a=ice-pwd:", "a=mid:", "a=candidate:")
    lines = [line for line in section.lines if line.startswith(starts)]
    return "\r\n".join([section.lines[0], *lines, ""])


async def test_what_is_no_offer() -> None:
    """Each is refused in words; nothing is left."""
    stream = Stream(Silent(), concurrency_limit=1)
    async with http_to(stream) as http, raw_peer() as pc, raw_peer() as other:
        for content, headers, status in (
            ("nonsense", SDP, 400),
            (b"\xff\xfe", SDP, 400),
            ("{}", {"content-type": "application/json"}, 415),
            ("x" * 200_000, SDP, 413),
            ("v=0", SDP | {"origin": "https://elsewhere.example"}, 403),
        ):
            response = await http.post("/whip", content=content, headers=headers)
            assert response.status_code == status, response.text
        assert (await http.get("/whip")).status_code == 405
        assert (await http.put("/whep")).status_code == 405
        assert stream.sessions == 0
        await posted(http, pc, "/whip")
        await connected(pc)
        content = await offer_of(other, "sendonly")
        full = await http.post("/whip", content=content, headers=SDP)
        assert (full.status_code, full.headers["retry-after"]) == (429, "5")
        assert full.json()["title"] == "concurrency_limit_reached"
    await gone(stream, within=10)


async def test_a_token_guards_every_route() -> None:
    """A bearer token by a dependency, as on all routes; a client sends it with each request."""
    app, stream = FastAPI(), Stream(Silent())
    stream.mount(app, "/live", dependencies=[Depends(HTTPBearer())])
    async with http_to(app) as http, raw_peer() as pc:
        assert (await http.post("/live/whip", headers=SDP)).status_code in (401, 403)
        http.headers["authorization"] = "Bearer secret"
        response = await posted(http, pc, "/live/whip")
        await connected(pc)
        url = response.headers["location"]
        assert url.startswith("/live/whip/")
        del http.headers["authorization"]
        assert (await http.delete(url)).status_code in (401, 403)
        assert stream.sessions == 1
        assert (await http.delete(url, headers={"authorization": "Bearer x"})).status_code == 200
        await gone(stream)


async def test_pages_of_other_origins() -> None:
    """They may if they are named, and may read what they need; anybody may ask what is taken."""
    app, stream = FastAPI(), Stream(Silent(), rtc_configuration=[{"urls": "stun:stun.example"}])
    stream.mount(app, origins=["https://page.example"])
    page = {"origin": "https://page.example"}
    async with http_to(app) as http, raw_peer() as pc:
        asked = await http.options("/whip")
        assert (asked.status_code, asked.headers["accept-post"]) == (204, "application/sdp")
        asked = await http.options("/whip/x", headers=page)
        assert asked.headers["access-control-allow-methods"] == "PATCH, DELETE"
        assert asked.headers["accept-patch"] == FRAGMENT["content-type"]
        stranger = await http.options("/whip", headers={"origin": "https://else.example"})
        assert stranger.status_code == 403
        http.headers.update(page)
        response = await posted(http, pc, "/whip")
        await connected(pc)
        assert response.headers["access-control-allow-origin"] == page["origin"]
        assert "Location" in response.headers["access-control-expose-headers"]
        assert response.headers["link"] == '<stun:stun.example>; rel="ice-server"'
    await gone(stream, within=10)


@pytest.mark.parametrize("path", ["/whip", "/whep"])
async def test_a_foreign_page_ends_nobodys_session(path: str) -> None:
    """The origin rule holds on every route, whoever knows the URL; and sessions go as they end."""
    stream = Stream(Silent())
    foreign = {"origin": "https://evil.example"}
    async with http_to(stream) as http, raw_peer() as pc:
        for method, url in (("POST", path), ("PATCH", path + "/x"), ("DELETE", path + "/x")):
            assert (await http.request(method, url, headers=foreign)).status_code == 403
        url = (await posted(http, pc, path)).headers["location"]
        await connected(pc)
        assert (await http.delete(url, headers=foreign)).status_code == 403
        assert (await http.patch(url, headers=foreign)).status_code == 403
        assert stream.sessions == 1
        await pc.close()
        await gone(stream, within=10)
        assert (await http.delete(url)).status_code == 404


async def test_no_session_is_left_that_nobody_knows() -> None:
    """The function for ICE servers fails after the offer was answered."""

    def no_servers() -> Any:
        raise RuntimeError("the service is down")

    stream = Stream(Silent(), rtc_configuration=no_servers)
    app = app_of(stream)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with raw_peer() as pc, httpx.AsyncClient(transport=transport) as http:
        content = await offer_of(pc, "sendonly")
        response = await http.post("http://localhost/whip", content=content, headers=SDP)
        assert response.status_code == 500
        await gone(stream)


def test_ice_servers_as_links() -> None:
    """With their credentials, and what would end a quoted text escaped."""
    servers = [
        {"urls": ["stun:a.example", "stun:b.example"]},
        {"urls": "turn:c.example?transport=udp", "username": 'a"b', "credential": "c\\d"},
    ]
    assert list(ice_links({"iceServers": servers})) == [
        '<stun:a.example>; rel="ice-server"',
        '<stun:b.example>; rel="ice-server"',
        '<turn:c.example?transport=udp>; rel="ice-server"; username="a\\"b"; '
        'credential="c\\\\d"; credential-type="password"',
    ]


CANDIDATE = "a=candidate:1 1 udp 2113937151 192.0.2.1 56040 typ host"


def test_a_fragment_is_read() -> None:
    """The example of RFC 8840 section 9, with two sections, and what is of no use left out."""
    fragment = parse_fragment(
        "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=ice-ufrag:8hhY\r\n"
        f"m=audio 9 RTP/AVP 0\r\na=mid:1\r\n{CANDIDATE}\r\n{CANDIDATE.replace('udp', 'tcp')}\r\n"
        f"m=audio 9 RTP/AVP 0\r\n{CANDIDATE}\r\na=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "8hhY"
    assert [(one.sdpMid, one.sdpMLineIndex, one.port) for one in fragment.candidates] == [
        ("1", 0, 56040),
        (None, 1, 56040),
    ]


LINES = ["a=ice-ufrag:a", "m=audio 9 RTP/AVP 0", "a=mid:0", CANDIDATE, "a=end-of-candidates"]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=12), st.data())
@examples(200)
def test_any_fragment_is_read_or_refused(lines: list[str], data: st.DataObject) -> None:
    """Whatever it is made of, and wherever it is cut."""
    text = "\r\n".join(lines)
    try:
        fragment = parse_fragment(text[data.draw(st.integers(0, len(text))) :])
    except MalformedCandidateError:
        return
    assert all(one.sdpMLineIndex is not None for one in fragment.candidates)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a=ice-ufrag:a\na=ice-ufrag:b",
        f"a=ice-ufrag:a\n{CANDIDATE}",
        "a=ice-ufrag:a\nm=audio 9 RTP/AVP 0\na=candidate:x",
    ],
)
def test_what_is_no_fragment(text: str) -> None:
    with pytest.raises(MalformedCandidateError):
        parse_fragment(text)
