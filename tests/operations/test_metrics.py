"""What Prometheus reads, over real connections."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fastrtc_core import AudioFrame, ConcurrencyLimitError, ConfigurationError, Stream, stage
from fastrtc_core.channel import RtcEngine, RtcOptions
from fastrtc_core.client import Client
from fastrtc_core.operations.metrics import Collectors
from fastrtc_core.testing import tone
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.vad import EnergyVAD
from tests.webrtc.support import Silent, eventually, gone, serving, speak
from tests.websocket.support import connected as socket_to

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def samples_of(text: str) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels, sorted by label."""
    return dict(_samples(text))


def _samples(text: str) -> Iterator[tuple[tuple[str, ...], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [value for _, value in sorted(sample.labels.items())]
            yield (sample.name, *labels), sample.value


def nobody() -> None:
    """The guard of an application that lets nobody in."""
    raise HTTPException(401)


async def test_sessions_their_ends_and_refusals_are_counted() -> None:
    """A call and its end, an offer to a full server, a body that is none, a foreign page, WHIP."""
    stream = Stream(Silent(), concurrency_limit=1)
    app = FastAPI()
    stream.mount(app, "/voice", metrics=True)
    async with serving(app) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:

        async def read() -> dict[tuple[str, ...], float]:
            return samples_of((await http.get("/metrics")).text)

        assert ("fastrtc_sessions_limit",) in await read()
        async with Client(f"{url}/voice") as client:
            await speak(client, tone(440, duration=0.5))
            with pytest.raises(ConcurrencyLimitError):
                async with Client(f"{url}/voice"):
                    pass
            await eventually(lambda: stream.snapshot().totals.packets.get("received", 0) > 5)
            now = await read()
            assert now["fastrtc_sessions", "running", "webrtc"] == 1
            assert now["fastrtc_offers_refused_total", "concurrency_limit_reached"] == 1
            assert now["fastrtc_audio_packets_total", "received"] > 5
            assert 0 <= now["fastrtc_audio_jitter_seconds", "max"] < 1
            assert now["fastrtc_queue_dropped_total", "audio"] == 0
        await gone(stream)
        received = now["fastrtc_audio_packets_total", "received"]
        await http.post("/webrtc/offer", json={"sdp": 3})
        await http.post("/webrtc/offer", json={}, headers={"origin": "https://elsewhere.example"})
        await http.post("/whip", content="v=0", headers={"content-type": "application/sdp"})
        now = await read()
        assert ("fastrtc_sessions", "running", "webrtc") not in now
        assert now["fastrtc_sessions_ended_total", "client", "webrtc"] == 1
        assert now["fastrtc_offers_refused_total", "malformed_offer"] == 2
        assert now["fastrtc_offers_refused_total", "origin_refused"] == 1
        # What a session has counted stays when it is gone.
        assert now["fastrtc_audio_packets_total", "received"] >= received
        assert now["fastrtc_event_loop_lag_seconds_bucket", "+Inf"] > 0


async def test_a_socket_that_is_refused_is_counted() -> None:
    """A full server, over WebSockets."""
    stream = Stream(Silent(), concurrency_limit=1)
    app = FastAPI()
    stream.mount(app)
    async with serving(app) as url, Client(url, modality=None):
        async with socket_to(url) as refused:
            await refused.socket.wait_closed()
        assert stream.snapshot().totals.refused == {"concurrency_limit_reached": 1}


async def test_what_asks_for_open_metrics_gets_that() -> None:
    """The format is negotiated, and the route is as public as it was asked to be."""
    stream = Stream(Silent())
    app = FastAPI()
    stream.mount(app, dependencies=[Depends(nobody)], metrics=True, health=True)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/metrics", headers={"accept": OPEN_METRICS})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.post("/webrtc/offer", json={})).status_code == 401


async def test_nothing_is_there_unless_asked_for() -> None:
    """No route, and no timer."""
    app = FastAPI()
    Stream(Silent()).mount(app)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        for route in ("/metrics", "/healthz", "/readyz"):
            assert (await http.get(route)).status_code == 404
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "fastrtc-loop-lag" not in names


async def test_several_streams_share_a_registry_by_their_labels() -> None:
    """For who serves Prometheus already."""
    registry = CollectorRegistry(auto_describe=True)
    names = {"support": 3, "sales": 5}
    registry.register(
        Collectors(
            *(
                Stream(Silent(), concurrency_limit=n).collector(stream=name)
                for name, n in names.items()
            )
        )
    )
    for name, limit in names.items():
        value = registry.get_sample_value("fastrtc_sessions_limit", {"stream": name})
        assert value == limit
    text = generate_latest(registry).decode()
    assert text.count("# TYPE fastrtc_sessions_limit ") == 1


async def test_members_of_channels_are_counted() -> None:
    """Of an engine, as of a stream."""
    engine = RtcEngine("app")
    app = FastAPI()
    engine.mount(app, "/rtc", metrics=True, health=True)
    async with serving(app) as url, httpx.AsyncClient(base_url=f"{url}/rtc") as http:
        await engine.create_channel(RtcOptions(channel_name="standup")).connect()
        now = samples_of((await http.get("/metrics")).text)
        assert now["fastrtc_channels",] == 1
        assert now["fastrtc_channel_members", "process"] == 1
        assert (await http.get("/readyz")).json() == {"status": "ready", "reasons": []}


def test_without_the_extra_the_text_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is asked for, not when somebody reads it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"fastrtc-core\[metrics\]"):
        Stream(Silent()).mount(FastAPI(), metrics=True)


async def test_turns_and_their_stages_are_counted() -> None:
    """While the session lives, and when it is gone; one that was not heard has no gap."""

    async def reply(audio: AudioFrame) -> AudioFrame:
        with stage("rag"):
            await asyncio.sleep(0.3)
        return tone(440, duration=0.2)

    stream = Stream(ReplyOnPause(reply, model=EnergyVAD()))
    registry = CollectorRegistry()
    registry.register(stream.collector(app="a"))

    def samples() -> dict[tuple[str, ...], float]:
        return samples_of(generate_latest(registry).decode())

    def ended() -> float:
        return samples().get(("fastrtc_turns_total", "a", "answered"), 0)

    async with Client(stream.offer) as client:
        await client.send({"command": "text", "text": "hello"})
        await eventually(lambda: ended() == 1)
        await client.send({"command": "text", "text": "hello"})
        await asyncio.sleep(0.2)
        await client.send({"command": "interrupt"})
        await eventually(lambda: samples().get(("fastrtc_turns_total", "a", "unheard")) == 1)
    await gone(stream)
    now = samples()
    assert ended() == 1
    assert now["fastrtc_turn_gap_seconds_count", "a"] == 1
    assert now["fastrtc_turn_gap_seconds_sum", "a"] == pytest.approx(0.3, abs=0.1)
    assert now["fastrtc_turn_stage_seconds_sum", "a", "rag"] == pytest.approx(0.3, abs=0.05)
    # By label: the application, the bound, the stage.
    assert now["fastrtc_turn_stage_seconds_bucket", "a", "0.2", "rag"] == 0
    assert now["fastrtc_turn_stage_seconds_bucket", "a", "0.5", "rag"] == 1
