"""What an engine takes as a stream does: ports, addresses, codecs, hooks, and who asks."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from fastrtc_core import (
    AudioFrame,
    AudioOptions,
    ConcurrencyLimitError,
    ConfigurationError,
    Context,
    DuplicateSessionError,
    OriginError,
    UnavailableError,
    VideoOptions,
)
from fastrtc_core.channel import RtcEngine, RtcOptions, build_token
from fastrtc_core.client import Client
from fastrtc_core.session import CloseReason

from ..room.cameras import filming
from ..room.test_browser_member import join
from ..webrtc.support import connected, eventually, make_offer, raw_peer, serving, take_answer

CANDIDATE = re.compile(r"a=candidate:\S+ \d+ udp \d+ (\S+) (\d+) typ host")
SECRET = "a secret of thirty-two characters"


class Door:
    """Notes who comes and goes."""

    def __init__(self) -> None:
        self.came: list[Context] = []
        self.left: list[tuple[CloseReason, Context]] = []

    async def enter(self, context: Context) -> None:
        self.came.append(context)

    def leave(self, reason: CloseReason, context: Context) -> None:
        self.left.append((reason, context))


async def test_ice_servers_for_browsers_are_not_those_of_this_side() -> None:
    """Members with a TURN server share the port; servers of this side want ports of its own."""
    servers = [{"urls": "turn:turn.example.org", "username": "u", "credential": "c"}]
    app, engine = FastAPI(), RtcEngine("app", udp_port=0, rtc_configuration=servers)
    engine.mount(app)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        told = (await http.get("/rtc/webrtc/config")).json()
        assert told == {"iceServers": servers}
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            answer = await engine.accept(await make_offer(pc), channel="room")
            assert "a=ice-lite" in answer["sdp"]
    stun = [{"urls": "stun:127.0.0.1:9"}]
    async with RtcEngine("app", udp_port=0, server_rtc_configuration=stun) as other:
        async with raw_peer() as pc:
            pc.createDataChannel("text")
            answer = await other.accept(await make_offer(pc), channel="room")
            assert "a=ice-lite" not in answer["sdp"]


async def test_every_candidate_lies_within_the_range() -> None:
    """And where the range is taken, the refusal names it."""
    async with RtcEngine("app", udp_port_range=(42100, 42140)) as engine, raw_peer() as pc:
        pc.addTransceiver("audio")
        answer = await engine.accept(await make_offer(pc), channel="room")
        ports = [int(port) for _, port in CANDIDATE.findall(answer["sdp"])]
        assert ports
        assert all(42100 <= port <= 42140 for port in ports)
        await take_answer(pc, answer)
        await connected(pc)
        narrow = (ports[0], ports[0])
        async with RtcEngine("app", udp_port_range=narrow) as other, raw_peer() as second:
            second.addTransceiver("audio")
            with pytest.raises(UnavailableError, match="udp_port_range"):
                await other.accept(await make_offer(second), channel="room")


async def test_an_own_address_that_is_advertised_connects() -> None:
    """It stands in every host candidate of an answer, and leads here."""
    async with raw_peer() as pc:
        pc.addTransceiver("audio")
        offer = await make_offer(pc)
        own = next(host for host, _ in CANDIDATE.findall(offer["sdp"]) if ":" not in host)
        async with RtcEngine("app", advertised_address=own) as engine:
            answer = await engine.accept(offer, channel="room")
            assert {host for host, _ in CANDIDATE.findall(answer["sdp"])} == {own}
            await take_answer(pc, answer)
            await connected(pc)
    async with RtcEngine("app", advertised_address="203.0.113.7") as engine, raw_peer() as pc:
        pc.addTransceiver("audio")
        answer = await engine.accept(await make_offer(pc), channel="room")
        assert {host for host, _ in CANDIDATE.findall(answer["sdp"])} == {"203.0.113.7"}


async def heard(options: AudioOptions | None) -> int:
    """Bytes of the audio that a listener is sent while somebody is loud for a second."""
    async with RtcEngine("app", audio_options=options) as engine, AsyncExitStack() as stack:
        loud = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await loud.connect()
        listener = await join(stack, engine.accept, uid=1)
        noise = np.random.default_rng(0).integers(-9000, 9000, (1, 48000), np.int16)
        await loud.push_audio_frame(AudioFrame(48000, noise))
        await asyncio.sleep(1.5)
        assert listener.remote_audio is not None
        (stats,) = await listener.remote_audio.get_stats()
        return stats.bytes or 0


async def test_mixes_have_the_bit_rate_that_is_asked_for() -> None:
    """48 kbit/s by default."""
    little, some, much = [
        await heard(options)
        for options in (AudioOptions(bit_rate=16_000), None, AudioOptions(bit_rate=128_000))
    ]
    assert little < 0.6 * some < 0.4 * much


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"audio_options": AudioOptions(application="voip", fec=True)}, "fec"),
        ({"audio_options": AudioOptions(frame_duration=0.06)}, "frame_duration"),
        ({"udp_port_range": (2, 1)}, "udp_port_range"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], reason: str) -> None:
    """What a mix cannot have, and ports that are none."""
    with pytest.raises(ConfigurationError, match=reason):
        RtcEngine("app", **options)


async def seen(bit_rate: int) -> int:
    """Packets of the pictures that a viewer is sent in a second and a half."""
    options = VideoOptions(bit_rate=bit_rate, min_bit_rate=bit_rate, max_bit_rate=bit_rate)
    async with RtcEngine("app", video_options=options) as engine, AsyncExitStack() as stack:
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        params = {"channel": "room", "uid": 1}
        viewer = await stack.enter_async_context(
            Client(engine.accept, modality="audio-video", mode="receive", params=params)
        )
        with filming(9, inside.push_video_frame, noise=True):
            await asyncio.sleep(1.5)
        assert viewer.remote_video is not None
        (stats,) = await viewer.remote_video.get_stats()
        return stats.packets or 0


async def test_pictures_have_the_bit_rate_that_is_asked_for() -> None:
    """Those that the server itself encodes."""
    assert 2 * await seen(150_000) < await seen(2_500_000)


async def test_hooks_are_told_who_comes_and_who_has_left() -> None:
    """Each once, with what is known of it, but for its token; a refused one is nobody."""
    door = Door()
    engine = RtcEngine("app", SECRET, on_connect=door.enter, on_disconnect=door.leave)
    async with engine, AsyncExitStack() as stack:
        for uid in (7, 8):
            token = build_token("app", SECRET, channel="room", uid=uid, ttl=60)
            client = await join(
                stack, engine.accept, uid=uid, name="Ada", token=token, colour="green"
            )
            with pytest.raises(DuplicateSessionError):
                async with Client(
                    engine.accept, params={"channel": "room", "uid": uid, "token": token}
                ):
                    pass
            assert [context.webrtc_id for context in door.came] == [
                f"room/{one}" for one in range(7, uid + 1)
            ]
            if uid == 7:
                await client.__aexit__(None, None, None)
                await eventually(lambda: door.left, "the end of the first")
    assert door.came[0].params == {"channel": "room", "uid": 7, "name": "Ada", "colour": "green"}
    assert [(reason, context.webrtc_id) for reason, context in door.left] == [
        (CloseReason.CLIENT, "room/7"),
        (CloseReason.DRAIN, "room/8"),
    ]


async def test_hooks_that_fail_turn_nobody_away(caplog: pytest.LogCaptureFixture) -> None:
    """The log has what they raised, whatever it is."""

    def fail(*_: Any) -> None:
        raise SystemExit("mine")

    engine = RtcEngine("app", on_connect=fail, on_disconnect=fail)
    async with engine, AsyncExitStack() as stack:
        await join(stack, engine.accept, uid=1)
    failed = [r.getMessage() for r in caplog.records if "failed" in r.getMessage()]
    assert failed == ["on_connect failed", "on_disconnect failed"]


async def test_who_is_held_up_by_a_hook_counts_once() -> None:
    """At the door until it is in the room: with room for two, one more comes in, and no third."""
    go_on = asyncio.Event()

    async def wait(context: Context) -> None:
        await go_on.wait()

    async with RtcEngine("app", max_users=2, on_connect=wait) as engine, AsyncExitStack() as stack:
        ada = asyncio.create_task(join(stack, engine.accept, uid=1))
        await eventually(lambda: engine._entrance.entering["room"] == 1, "the first at the door")
        bob = asyncio.create_task(join(stack, engine.accept, uid=2))
        await eventually(lambda: engine._entrance.entering["room"] == 2, "both at the door")
        with pytest.raises(ConcurrencyLimitError, match="full"):
            await join(stack, engine.accept, uid=3)
        go_on.set()
        await asyncio.gather(ada, bob)
        assert not engine._entrance.entering
        with pytest.raises(ConcurrencyLimitError, match="full"):
            await join(stack, engine.accept, uid=3)


async def test_the_context_has_the_user_and_origins_are_checked() -> None:
    """What the dependency of `mount` returns; a page of elsewhere is let in by name alone."""
    door = Door()
    engine = RtcEngine("app", on_connect=door.enter)
    app = FastAPI()
    engine.mount(app, user=lambda: "Ada", origins=["https://example.org"])
    async with serving(app) as url:
        for headers in ({}, {"origin": "https://example.org"}):
            params = {"channel": "room", "uid": 1}
            async with Client(f"{url}/rtc", headers=headers, params=params):
                await eventually(lambda: door.came, "a member")
            assert door.came.pop().user == "Ada"
            await eventually(lambda: not engine._rooms, "an empty channel")
        with pytest.raises(OriginError):
            async with Client(f"{url}/rtc", headers={"origin": "https://evil.example"}):
                pass
    assert not door.came
