"""Offers that are refused, over a real server: a clear error, a status, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fastrtc_core import Stream, UnknownSessionError
from fastrtc_core.client import Client
from fastrtc_core.webrtc import peer

from ..failures import Failure, every_failure, first
from ..inside import channel_of
from .support import Silent, app_of, eventually, gone, make_offer, raw_peer, serving

JSON = {"content-type": "application/json"}


@asynccontextmanager
async def server(stream: Stream) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a server with the stream."""
    async with (
        serving(app_of(stream)) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as http,
    ):
        yield http


async def refused(
    http: httpx.AsyncClient, status: int, code: str, **request: Any
) -> dict[str, Any]:
    """Post to the offer route, and return the meta of the refusal that must come."""
    response = await http.post("/webrtc/offer", **request)
    body = response.json()
    assert (response.status_code, body["status"], body["meta"]["error"]) == (
        status,
        "failed",
        code,
    )
    assert len(body["meta"]["message"]) > 10
    meta: dict[str, Any] = body["meta"]
    return meta


async def offer_of(*kinds: str, **extra: Any) -> dict[str, Any]:
    """An offer of a real peer that is gone by now."""
    async with raw_peer() as pc:
        pc.createDataChannel("text")
        for kind in kinds:
            pc.addTransceiver(kind)
        return await make_offer(pc, **extra)


async def test_what_is_no_offer_is_refused_and_leaves_nothing() -> None:
    """Each kind of nonsense gets its own words, and no handler is copied for it."""
    handler = Silent()
    stream = Stream(handler, concurrency_limit=1)
    good = await offer_of("audio")
    async with server(stream) as http:
        for content in (b"not json", b"[]", b'"offer"', b"\xff\xfe"):
            await refused(http, 400, "malformed_offer", content=content, headers=JSON)
        for body in (
            {"type": "answer", "sdp": good["sdp"]},
            {"type": "offer"},
            {"type": "offer", "sdp": 5},
            {"type": "offer", "sdp": "garbage"},
            {"type": "offer", "sdp": good["sdp"][:300]},
            {**good, "args": "x"},
            {**good, "params": []},
            {**good, "webrtc_id": 7},
            {**good, "webrtc_id": "with spaces"},
            {**good, "webrtc_id": "x" * 200},
        ):
            await refused(http, 400, "malformed_offer", json=body)
        await refused(http, 400, "wrong_modality", json=await offer_of("video"))
        assert handler.copies == []
        assert stream.sessions == 0


async def test_an_offer_without_a_codec_in_common_is_refused() -> None:
    """A client that speaks no Opus is told so; the slot is free again."""
    stream = Stream(Silent(), concurrency_limit=1)
    good = await offer_of("audio")
    sdp = good["sdp"].replace("opus/48000/2", "speex/48000/2")
    async with server(stream) as http:
        meta = await refused(http, 400, "malformed_offer", json={"type": "offer", "sdp": sdp})
        assert "codec" in meta["message"]
    await gone(stream)


async def test_a_body_of_ten_megabytes_is_not_read() -> None:
    """It is refused as soon as it is larger than any offer."""
    async with server(Stream(Silent())) as http:
        await refused(http, 413, "body_too_large", content=b"x" * 10_000_000, headers=JSON)


async def test_a_taken_id_is_refused_and_its_owner_is_not_disturbed() -> None:
    """Nobody can evict a session; once it is gone, its id is free."""
    stream = Stream(Silent())
    async with server(stream) as http:
        async with Client(str(http.base_url), modality=None, webrtc_id="mine") as owner:
            taken = await offer_of(webrtc_id="mine")
            await refused(http, 409, "connection_already_exists", json=taken)
            await owner.send("still here")
        await gone(stream)
        async with Client(str(http.base_url), modality=None, webrtc_id="mine") as again:
            assert again.webrtc_id == "mine"
    await gone(stream)


async def test_a_full_server_says_so_until_a_place_is_free() -> None:
    """The refusal names the limit; a retry with the same id works later."""
    stream = Stream(Silent(), concurrency_limit=1)
    async with server(stream) as http:
        async with Client(str(http.base_url), modality=None):
            full = await offer_of(webrtc_id="retry")
            meta = await refused(http, 429, "concurrency_limit_reached", json=full)
            assert meta["limit"] == 1
        await gone(stream)
        async with Client(str(http.base_url), modality=None, webrtc_id="retry"):
            assert stream.sessions == 1
    await gone(stream)


async def test_a_server_that_drains_takes_nobody() -> None:
    """The refusal is a 503, which load balancers understand."""
    stream = Stream(Silent())
    async with server(stream) as http:
        await stream.drain(1)
        await refused(http, 503, "unavailable", json=await offer_of())


async def test_faults_of_the_application_are_a_503_and_a_log_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A `copy` that raises and ICE servers that cannot be had tell the client nothing of why."""

    class Broken(Silent):
        def copy(self) -> Silent:
            raise ValueError("secret path")

    def no_servers() -> Any:
        raise ValueError("secret token")

    for stream in (Stream(Broken()), Stream(Silent(), server_rtc_configuration=no_servers)):
        async with server(stream) as http:
            meta = await refused(http, 503, "unavailable", json=await offer_of())
            assert "secret" not in meta["message"]
        await gone(stream)
    assert "secret path" in caplog.text
    assert "secret token" in caplog.text


@pytest.mark.parametrize("option", ["server_rtc_configuration", "audio_options", "video_options"])
@every_failure
async def test_an_option_that_cannot_be_had(option: str, failure: Failure) -> None:
    """Whatever its function raises refuses one offer, and the next one connects."""
    options: Any = {option: first(failure)}
    stream = Stream(Silent(), **options)
    async with server(stream) as http:
        await refused(http, 503, "unavailable", json=await offer_of())
        async with Client(stream.offer):
            pass
    await gone(stream)


@every_failure
async def test_the_servers_of_a_page_that_cannot_be_had(failure: Failure) -> None:
    """One page goes without, and the next has them."""
    servers = [{"urls": "stun:stun.example.org"}]
    stream = Stream(Silent(), rtc_configuration=first(failure, lambda: servers))
    async with server(stream) as http:
        replies = [await http.get("/webrtc/config") for _ in range(2)]
    assert replies[0].status_code == 500
    assert replies[1].json()["iceServers"] == servers


async def test_asking_about_an_unknown_id_is_an_error() -> None:
    """Nothing is made for a stranger's question."""
    stream = Stream(Silent())
    with pytest.raises(UnknownSessionError):
        stream.set_input("nobody", 1)
    with pytest.raises(UnknownSessionError):
        await stream.fetch_latest_output("nobody")
    with pytest.raises(UnknownSessionError):
        stream.output_stream("nobody")
    with pytest.raises(UnknownSessionError):
        stream.close("nobody")


async def test_malformed_messages_are_answered_and_the_session_goes_on() -> None:
    """Garbage, unknown and oversized messages over a real data channel, as text and as bytes."""
    handler = Silent()
    stream = Stream(handler)
    async with Client(stream.offer, modality=None) as client:
        await client.send("first")
        channel: Any = channel_of(client)
        for bad in (
            "garbage",
            b'{"type": 1}',
            '{"type": "nope"}',
            '{"type":"message","data":"%s"}',
        ):
            channel.raw.send(bad if isinstance(bad, bytes) else bad.replace("%s", "x" * 70_000))
        errors = [await client.receive() for _ in range(4)]
        assert [message.type for message in errors] == ["error"] * 4
        await client.send("last")
        await eventually(lambda: handler.only.messages == ["first", "last"])
    await gone(stream)


def resident_bytes() -> int:
    """Memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def resources() -> dict[str, int]:
    """What an offer might leave behind."""
    gc.collect()
    return {
        "threads": threading.active_count(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "tasks": len(asyncio.all_tasks()),
    }


@pytest.mark.parametrize("offers", [250, pytest.param(1000, marks=pytest.mark.soak)])
async def test_bad_offers_leave_everything_at_baseline(
    offers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Malformed, wrong, unanswerable and abandoned ones, mixed, many at a time."""
    monkeypatch.setattr(peer, "CONNECT_TIMEOUT", 0.05)
    handler = Silent()
    stream = Stream(handler)
    good = await offer_of("audio")
    no_codec = good["sdp"].replace("opus/48000/2", "speex/48000/2")
    bodies: list[Any] = [
        "garbage",
        {"type": "offer", "sdp": good["sdp"][:400]},
        await offer_of("video"),
        {"type": "offer", "sdp": no_codec},
        {"type": "ice-candidate", "candidate": {"candidate": "x"}, "webrtc_id": "a"},
        good,  # answered, and then abandoned
        good,
        "gone",  # whoever asked is gone before the answer
    ]

    async def ask(number: int) -> None:
        body = bodies[number % len(bodies)]
        if body == "gone":
            task = asyncio.ensure_future(stream.offer(good))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        else:
            await stream.offer(body)

    async def rounds(first: int, count: int) -> None:
        for start in range(first, first + count, 25):
            await asyncio.gather(*(ask(number) for number in range(start, start + 25)))
            handler.copies.clear()  # which hold their sessions
        await gone(stream, within=20)

    await rounds(0, offers)  # what is loaded once, and what the allocator keeps of many at a time
    handler.copies.clear()
    await eventually(lambda: len(asyncio.all_tasks()) == 1)
    before, memory = resources(), resident_bytes()
    objects = len(gc.get_objects())
    await rounds(offers, offers)
    handler.copies.clear()
    await eventually(lambda: resources() == before, f"{resources()} at {before}")
    assert len(gc.get_objects()) - objects < offers / 2, "half an object for each offer"
    grown = resident_bytes() - memory
    assert grown < 20e6, f"{grown / 1e6:.1f} MB"
    assert stream.sessions == 0
