"""Members that misbehave: they are refused or bounded, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from fastrtc_core import ConcurrencyLimitError
from fastrtc_core.channel import RtcEngine, RtcOptions
from fastrtc_core.client import Client
from fastrtc_core.messages import build_message
from fastrtc_core.messaging.assembler import split_message
from fastrtc_core.room import member_lane
from fastrtc_core.room.browser_member import BrowserMember
from fastrtc_core.testing import fit_sine, tone
from fastrtc_core.webrtc import peer
from fastrtc_core.webrtc.sdp import offers

from ..room.test_browser_member import RATE, events, hear, join
from ..webrtc.support import eventually, make_offer, raw_peer, serving

CHILD = """
import asyncio, sys
from fastrtc_core.client import Client

async def main():
    async with Client(sys.argv[1], params={"channel": "room", "uid": 66}):
        print("connected", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def errors(client: Client) -> list[str]:
    """What a client was told is wrong."""
    return [str(m.data) for m in client.__dict__["told"] if m.type == "error"]


@pytest.mark.soak
async def test_a_flood_disturbs_nobody() -> None:
    """While one floods, two others talk and write to each other."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        flooder, ada, bob = [await join(stack, engine.accept, uid=uid) for uid in (1, 2, 3)]
        assert ada.audio_source is not None

        async def flood() -> None:
            while True:
                await flooder.send({"event": "chat_message", "data": "x" * 4000})
                await asyncio.sleep(0.002)

        async with asyncio.TaskGroup() as tasks:
            flooding = tasks.create_task(flood())
            tasks.create_task(ada.audio_source.capture_frame(tone(500, 3.5, RATE)))
            for number in range(5):
                await ada.send({"event": "stream_message", "data": str(number), "to": 3})
            sound = await hear(bob, 3.0)
            flooding.cancel()
        # In one quarter of a second at least: this process does the work of all of them.
        parts = np.split(sound[RATE : RATE * 5 // 2], 6)
        assert max(fit_sine(part, 500, RATE).snr for part in parts) > 20
        assert [data["data"] for data in events(bob, "stream_message")] == [*"01234"]
        assert any("a second" in text for text in errors(flooder))
        assert len(events(bob, "chat_message")) < 200 + 50 * 10


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"event": "stream_message", "data": "x" * 100_000}, "larger than"),
        ({"event": "stream_message_part", "data": "no JSON"}, "not JSON"),
        ({"event": "stream_message_part", "data": "[]"}, "JSON object"),
        (
            {
                "event": "stream_message_part",
                "data": json.dumps(
                    {"msg_id": "1", "part_idx": 9, "total_parts": 3, "content": "x"}
                ),
            },
            "part",
        ),
        (
            {
                "event": "stream_message_part",
                "data": json.dumps(
                    {"msg_id": "1", "part_idx": 0, "total_parts": 10**6, "content": "x"}
                ),
            },
            "parts",
        ),
        ({"event": "rpc", "data": "{}", "to": True}, "uid"),
    ],
)
async def test_oversize_and_malformed(data: Any, complaint: str) -> None:
    """Only who sent it hears of it, and it can go on."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        sender, other = [await join(stack, engine.accept, uid=uid) for uid in (1, 2)]
        count = len(other.__dict__["told"])
        channel: Any = sender._channel  # our own client would not send what is too large
        channel.post(build_message("message", data))
        (text,) = await eventually(lambda: errors(sender), "the complaint")
        assert complaint in text
        assert len(other.__dict__["told"]) == count
        long = "ä" * 30_000
        for part in split_message(long, "2", limit=10_000):
            await sender.send({"event": "stream_message_part", "data": part})
        received = await eventually(lambda: parts_of(other), "the whole message")
        assert received == long


def parts_of(client: Client) -> str:
    """The text of a long message, once all of its parts have come."""
    parts = [json.loads(data["data"]) for data in events(client, "stream_message_part")]
    if not parts or len(parts) < parts[0]["total_parts"]:
        return ""
    return "".join(part["content"] for part in sorted(parts, key=lambda part: part["part_idx"]))


async def test_who_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of bytes wait for it; then it has left, and the others miss nothing."""
    monkeypatch.setattr(member_lane, "STALLED", 1.0)
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        deaf, other = [await join(stack, engine.accept, uid=uid) for uid in (1, 2)]
        speaker = engine.create_channel(RtcOptions(channel_name="room", uid=3))
        await speaker.connect()
        channel: Any = deaf._channel

        async def ignore(_data: bytes) -> None:
            """A browser that acknowledges nothing."""

        channel.raw.transport._handle_data = ignore
        for number in range(200):
            await speaker.send_stream_message(f"{number:03} " + "x" * 10_000, str(number))
            await asyncio.sleep(0.01)
        await eventually(
            lambda: any(data["uid"] == 1 for data in events(other, "user_left")), "its end"
        )
        await eventually(lambda: len(events(other, "stream_message")) == 200, "all messages")
        numbers = [int(data["data"][:3]) for data in events(other, "stream_message")]
        assert numbers == [*range(200)]
        assert sorted(speaker.remote_users) == [2]


@pytest.mark.real_time  # the client is a process
async def test_who_is_killed_leaves_within_six_seconds() -> None:
    """A process that ends without a word."""
    app = FastAPI()
    engine = RtcEngine("app")
    engine.mount(app, "/rtc")
    async with serving(app) as url, AsyncExitStack() as stack:
        ada = await join(stack, f"{url}/rtc", uid=1)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, f"{url}/rtc", stdout=subprocess.PIPE
        )
        await eventually(lambda: events(ada, "user_joined"), "the other", 20)
        process.send_signal(signal.SIGKILL)
        loop = asyncio.get_running_loop()
        killed = loop.time()
        (left,) = await eventually(lambda: events(ada, "user_left"), "its end", 8)
        assert (left["uid"], left["reason"]) == (66, "lost")
        assert loop.time() - killed < 6
        await process.wait()
        assert process.stdout is not None
        await process.stdout.read()


async def test_a_late_joiner_gets_what_fits() -> None:
    """The end of a chat that is longer than any message may be."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        writer = engine.create_channel(RtcOptions(channel_name="room", uid=1))
        await writer.connect()
        for number in range(150):
            await writer.send_chat_message(f"{number:03}" + "\u20ac" * 4000)
        late = await join(stack, engine.accept, uid=2)
        (welcome,) = events(late, "joined")
        texts = [message["text"][:3] for message in welcome["chat"]]
        assert texts[-1] == "149"
        assert len(texts) >= 5
        assert texts == sorted(texts)


async def test_nobody_can_drown_another() -> None:
    """Messages that come faster than a member takes them are lost, and it stays."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        victim = await join(stack, engine.accept, uid=2)
        speaker = engine.create_channel(RtcOptions(channel_name="room", uid=3))
        await speaker.connect()
        for number in range(20):
            await speaker.send_stream_message("x" * 200_000, str(number), to=2)
        member = engine.room("room").members[2]
        assert isinstance(member, BrowserMember)
        assert engine.snapshot().channels["room"].members[2].dropped > 0
        late = engine.create_channel(RtcOptions(channel_name="room", uid=4))
        await late.connect()
        await eventually(
            lambda: any(data["uid"] == 4 for data in events(victim, "user_joined")), "what happens"
        )
        await eventually(
            lambda: not engine.snapshot().channels["room"].members[2].waiting,
            "the end of what waited",
            10,
        )
        await speaker.send_stream_message("still there?")
        await eventually(
            lambda: [d for d in events(victim, "stream_message") if d["data"] == "still there?"],
            "the next message",
        )


@pytest.mark.parametrize("call", ['{"id": "1", "method": []}', '{"id": "1", "method": {}}', "[]"])
async def test_calls_that_cannot_be_read(call: str) -> None:
    """They end nothing; who called goes on."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        inside.register_rpc_method("echo", lambda call: call.payload)
        client = await join(stack, engine.accept, uid=1)
        await client.send({"event": "rpc", "to": 9, "data": call})
        good = '{"id": "2", "method": "echo", "payload": "hello", "timeout": 5}'
        await client.send({"event": "rpc", "to": 9, "data": good})
        await eventually(
            lambda: any('"hello"' in data["data"] for data in events(client, "rpc")), "the answer"
        )


async def test_the_door_is_not_blocked() -> None:
    """Offers that never connect count as users while they may, and no longer."""
    async with RtcEngine("app", max_users=2) as engine, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(raw_peer()) for _ in range(3)]
        for peer in peers:
            peer.addTransceiver("audio")
        offers = [await make_offer(peer, params={"channel": "room"}) for peer in peers]
        for offer in offers[:2]:
            await engine.accept(offer)
        with pytest.raises(ConcurrencyLimitError, match="full"):
            await engine.accept(offers[2])
        assert sum(engine.snapshot().connecting.values()) == 2
    assert sum(engine.snapshot().connecting.values()) == 0


async def test_who_only_knocks_shuts_no_other_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each channel has its own room at the door, and each address; both for seconds only."""
    monkeypatch.setattr(peer, "CHECK_TIMEOUT", 0.2)
    async with RtcEngine("app", max_users=2, connecting_per_address=3) as engine:
        async with raw_peer() as pc:
            pc.addTransceiver("audio")
            body = await make_offer(pc)
        with ExitStack() as door:
            for _ in range(3):
                door.enter_context(engine._entering.count("10.0.0.1"))
            with pytest.raises(ConcurrencyLimitError, match="address"):
                await engine.accept(body, address="10.0.0.1", channel="quiet")
            for uid in (1, 2):
                await engine.accept(body, address="10.0.0.2", channel="room", uid=uid)
            monkeypatch.setattr(offers, "SessionDescription", None)
            with pytest.raises(ConcurrencyLimitError, match="full"):  # and its SDP is not read
                await engine.accept(body, address="10.0.0.3", channel="room", uid=3)
            monkeypatch.undo()
            await engine.accept(body, address="10.0.0.3", channel="other", uid=3)
        await eventually(
            lambda: not engine.snapshot().connecting, "the end of those who do not come"
        )
        await engine.accept(body, address="10.0.0.1", channel="room", uid=1)
