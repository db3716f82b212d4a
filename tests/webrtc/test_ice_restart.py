"""ICE is restarted in the middle of a session: by whom it may be, and what goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aioice
import pytest

from fastrtc_core import DuplicateSessionError, Stream
from fastrtc_core.channel import RtcEngine
from fastrtc_core.testing import tone

from ..inside import connection_of, peer_of
from .restarts import mover, moves_over, shared_of, way_of
from .support import OWN_PORTS, Silent, eventually, gone


async def test_by_http() -> None:
    """With the secret, more than once; ICE alone is new."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0)
    async with mover(stream.offer) as client:
        for _ in range(2):
            answer = await stream.offer(client.again(await client.offer()))
            assert answer["secret"] == client.answer["secret"]
            assert answer["webrtc_id"] == client.answer["webrtc_id"]
            await moves_over(stream, handler, client, answer["sdp"])
            handler.only.calls.clear()
            handler.only.calls += ["start_up", "receive"]
    await gone(stream, within=10)


async def test_who_asks_for_it_is_alive() -> None:
    """A client that was silent for almost as long as it may be gets the time to find a way."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0)
    async with mover(stream.offer) as client:
        await eventually(lambda: handler.only.frames, "sound")
        client.fall_silent()
        await asyncio.sleep(3.2)
        answer = await stream.offer(client.again(await client.offer()))
        await asyncio.sleep(2.5)
        assert stream.sessions == 1
        before = len(handler.only.frames)
        await client.go_over(answer["sdp"])
        await eventually(lambda: len(handler.only.frames) > before + 20, "sound")
        client.fall_silent()
        await gone(stream, within=6.0)


async def test_over_the_data_channel() -> None:
    """Which goes on over the old way until there is the new one."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0)
    async with mover(stream.offer) as client:
        offer = {"type": "offer", "data": {"sdp": await client.offer()}}
        client.channel.send(json.dumps(offer))
        answers = await eventually(lambda: [m for m in client.messages if m["type"] == "answer"])
        await moves_over(stream, handler, client, answers[0]["data"]["sdp"])
    await gone(stream, within=10)


async def test_who_may_restart() -> None:
    """Who knows the secret: the id alone is taken, as ever; and what has ended is not begun."""
    handler = Silent()
    stream = Stream(handler, udp_port=0)
    async with mover(stream.offer, webrtc_id="mine") as client:
        sdp = await client.offer()
        credentials = shared_of(connection_of(peer_of(stream))).parameters()

        async def refused(**more: Any) -> str:
            answer = await stream.offer({**client.again(sdp), **more})
            assert answer["status"] == "failed"
            code: str = answer["meta"]["error"]
            return code

        assert await refused(secret=None) == "connection_already_exists"
        for wrong in (
            "",
            "x",
            client.answer["secret"][:-1],
            client.answer["secret"] + "é",
            "\ud800",
        ):
            assert await refused(secret=wrong) == "connection_already_exists"
        assert await refused(webrtc_id="another") == "unknown_session"
        assert await refused(webrtc_id=None) == "malformed_offer"
        assert await refused(secret=7) == "malformed_offer"
        assert await refused(sdp="v=0") == "malformed_offer"
        assert shared_of(connection_of(peer_of(stream))).parameters() == credentials
        assert stream.sessions == 1
        stream.close("mine")
        await gone(stream)
        assert await refused() == "unknown_session"
        assert stream.sessions == 0


async def test_an_offer_that_fails_restarts_nothing() -> None:
    """It names new credentials, and a codec that nobody speaks: all is as before."""
    handler = Silent(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0)
    async with mover(stream.offer) as client:
        ice = shared_of(connection_of(peer_of(stream)))
        before = ice.parameters(), ice.remote_username, list(ice.remote_candidates)
        sdp = (await client.offer()).replace("opus/48000/2", "nonsense/48000/2")
        sdp = "\r\n".join(
            line for line in sdp.splitlines() if not line.startswith("a=rtpmap") or "nons" in line
        )
        answer = await stream.offer(client.again(sdp))
        assert answer["meta"]["error"] == "malformed_offer"
        assert (ice.parameters(), ice.remote_username, list(ice.remote_candidates)) == before
        handler.only.to_emit.put_nowait(tone(440, 5.0, 48000))
        await eventually(lambda: way_of(ice))
        for _ in range(20):
            if await client.hears() > 3000:
                break
        else:
            pytest.fail("nothing is heard any more")
        # And the next one does.
        answer = await stream.offer(client.again(await client.offer()))
        await moves_over(stream, handler, client, answer["sdp"])
    await gone(stream, within=10)


async def test_without_a_shared_port_it_is_refused_in_words() -> None:
    """By HTTP and over the data channel; the session goes on, and offers of before are answered."""
    handler = Silent()
    stream = Stream(handler, **OWN_PORTS)
    async with mover(stream.offer) as client:
        sdp = await client.offer()
        answer = await stream.offer(client.again(sdp))
        assert answer["meta"]["error"] == "no_ice_restart"
        assert "udp_port" in answer["meta"]["message"]
        client.channel.send(json.dumps({"type": "offer", "data": {"sdp": sdp}}))
        answers = await eventually(lambda: [m for m in client.messages if m["type"] == "answer"])
        assert "udp_port" in answers[0]["data"]["error"]
        answer = await stream.offer(client.again(client.pc.localDescription.sdp))
        assert "sdp" in answer, answer
        before = len(handler.only.frames)
        await eventually(lambda: len(handler.only.frames) > before + 20, "sound")
    await gone(stream, within=10)


async def test_answers_name_the_advertised_address() -> None:
    """The later ones too: behind a NAT nothing else is reached."""
    (host,) = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)[:1]
    stream = Stream(Silent(), udp_port=0, advertised_address=host)
    async with mover(stream.offer) as client:
        answer = await stream.offer(client.again(await client.offer()))
        assert {line.split()[4] for line in candidates(answer["sdp"])} == {host}
        client.channel.send(json.dumps({"type": "offer", "data": {"sdp": await client.offer()}}))
        answers = await eventually(lambda: [m for m in client.messages if m["type"] == "answer"])
        sdp = answers[0]["data"]["sdp"]
        assert {line.split()[4] for line in candidates(sdp)} == {host}
    await gone(stream, within=10)


def candidates(sdp: str) -> list[str]:
    """The candidates in a description."""
    return [line for line in sdp.splitlines() if line.startswith("a=candidate:")]


async def test_a_member_of_a_channel() -> None:
    """Restarts as well, by its uid and secret; in another channel the same uid is another one."""
    async with RtcEngine("app") as engine:
        one, other = ({"channel": name, "uid": 1} for name in ("one", "other"))
        async with (
            mover(engine.accept, params=one) as client,
            mover(engine.accept, params=other) as stranger,
        ):
            assert client.answer["webrtc_id"] == stranger.answer["webrtc_id"]
            sdp = await client.offer()
            with pytest.raises(DuplicateSessionError):
                await engine.accept({**client.again(sdp), "secret": "x"})
            answer = await engine.accept(client.again(sdp))
            await client.go_over(answer["sdp"])
            # Liveness ends in five seconds who is not heard.
            await asyncio.sleep(8)
            snapshot = engine.snapshot()
            assert {name: len(room.members) for name, room in snapshot.channels.items()} == {
                "one": 1,
                "other": 1,
            }
