"""Members over WebRTC, with real peers."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from fastrtc_core import DuplicateSessionError, MalformedOfferError, TokenError
from fastrtc_core.channel import RtcEngine, RtcOptions, build_token
from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone

from ..webrtc.support import eventually, serving

RATE = 48000
SECRET = "a secret of thirty-two characters"


def events(client: Client, event: str) -> list[dict[str, Any]]:
    """What a client was told under this name."""
    told = [message.data for message in client.__dict__.setdefault("told", [])]
    return [data for data in told if isinstance(data, dict) and data.get("event") == event]


async def join(stack: AsyncExitStack, offer: Any, **params: Any) -> Client:
    """A client in a channel, which notes what it is told."""
    client = await stack.enter_async_context(Client(offer, params={"channel": "room", **params}))
    told: list[Any] = []
    client.__dict__["told"] = told

    async def note() -> None:
        async for message in client.messages():
            told.append(message)

    noting = asyncio.create_task(note())
    stack.callback(noting.cancel)
    await eventually(lambda: events(client, "joined"), "the welcome")
    return client


async def hear(client: Client, seconds: float) -> np.ndarray[Any, Any]:
    assert client.audio_stream is not None
    parts: list[Any] = []
    while len(parts) * 0.02 < seconds:
        parts.append((await client.audio_stream.read()).data[0])
    return np.concatenate(parts)


async def test_everybody_hears_the_others_and_not_itself() -> None:
    """Three tones, a silent listener, and one in this process."""
    frequencies = {1: 500, 2: 900, 3: 1500}
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        clients = {uid: await join(stack, engine.accept, uid=uid) for uid in (*frequencies, 4, 5)}
        for uid, frequency in frequencies.items():
            source = clients[uid].audio_source
            assert source is not None
            asyncio.create_task(source.capture_frame(tone(frequency, 4.0, RATE, 0.2)))  # noqa: RUF006
        heard = dict(
            zip(
                clients,
                await asyncio.gather(*(hear(client, 2.0) for client in clients.values())),
                strict=True,
            )
        )
        for uid, sound in heard.items():
            for other, frequency in frequencies.items():
                level = fit_sine(sound[RATE:], frequency, RATE).amplitude / 32768
                if other == uid:
                    assert level < 0.01
                else:
                    assert level == pytest.approx(0.2, abs=0.03)
        before = inside.get_audio_frames(2)
        sound = (await before.read()).data[0]
        assert np.abs(sound).max() > 1000
        # A member of this process speaks to all.
        await asyncio.sleep(2.5)
        await inside.push_audio_frame(tone(2000, 1.0, RATE, 0.3))
        sound = await hear(clients[4], 1.8)  # of which a second waited
        spectrum = np.abs(np.fft.rfft(sound[-RATE // 2 :] * np.hanning(RATE // 2)))
        assert spectrum.argmax() * 2 == pytest.approx(2000, abs=4)
    assert engine.snapshot().channels == {}


async def test_what_happens_is_told() -> None:
    """Who comes and goes, messages, the chat; a late comer learns the state."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        ada = await join(stack, engine.accept, uid=1, name="Ada")
        async with AsyncExitStack() as brief:
            bob = await join(brief, engine.accept, uid=2, name="Bob")
            (joined,) = await eventually(lambda: events(ada, "user_joined"), "Bob")
            assert (joined["uid"], joined["user"]["name"]) == (2, "Bob")
            (welcome,) = events(bob, "joined")
            assert [user["name"] for user in welcome["users"]] == ["Ada"]
            await bob.send({"event": "stream_message", "data": "hi", "msg_id": "5"})
            (message,) = await eventually(lambda: events(ada, "stream_message"), "the message")
            assert (message["uid"], message["data"], message["msg_id"]) == (2, "hi", "5")
            for number in range(5):
                await bob.send({"event": "chat_message", "data": f"line {number}"})
            await eventually(lambda: len(events(bob, "chat_message")) == 5, "the chat")
        (left,) = await eventually(lambda: events(ada, "user_left"), "his end")
        assert left["uid"] == 2
        texts = [message["text"] for message in events(ada, "chat_message")]
        assert texts == [f"line {number}" for number in range(5)]
        late = await join(stack, engine.accept, uid=3)
        (welcome,) = events(late, "joined")
        assert [message["text"] for message in welcome["chat"]] == texts


@pytest.mark.parametrize(
    "data",
    [
        "text",
        {"event": "dance", "data": "x"},
        {"event": "chat_message"},
        {"event": "chat_message", "data": "x" * 5000},
        {"event": "stream_message", "data": "x", "to": "2"},
        {"event": "stream_message", "data": "x", "to": 77},
    ],
)
async def test_messages_that_cannot_be_meant(data: Any) -> None:
    """They are answered with an error, and nobody else hears of them."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        client = await join(stack, engine.accept, uid=1)
        other = await join(stack, engine.accept, uid=2)
        count = len(other.__dict__["told"])
        await client.send(data)
        await eventually(
            lambda: any(message.type == "error" for message in client.__dict__["told"]), "an error"
        )
        assert len(other.__dict__["told"]) == count
        await client.send({"event": "chat_message", "data": "still here"})
        await eventually(lambda: events(other, "chat_message"), "the next one")


async def test_a_client_of_small_messages_is_welcome() -> None:
    """One that takes 64 KiB, as those do that say nothing of it, joins a long chat as well."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        inside = engine.create_channel(RtcOptions(channel_name="room", uid=9))
        await inside.connect()
        for number in range(200):
            await inside.send_chat_message(f"{number} " + "x" * 1000)

        async def offer(body: dict[str, Any]) -> dict[str, Any]:
            line = "a=max-message-size:262144\r\n"
            assert line in body["sdp"]
            return await engine.accept({**body, "sdp": body["sdp"].replace(line, "")})

        client = await join(stack, offer, uid=1)
        (welcome,) = events(client, "joined")
        assert len(welcome["chat"]) > 30
        assert welcome["chat"][-1]["text"].startswith("199 ")


async def test_binary_messages_of_other_clients() -> None:
    """JSON that comes as bytes is a message; for other bytes there are streams, and it says so."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        client = await join(stack, engine.accept, uid=1)
        other = await join(stack, engine.accept, uid=2)
        await client.send(b"\x00\xff")
        await client.send(
            b'{"type": "message", "data": {"event": "chat_message", "data": "in bytes"}}'
        )
        await eventually(lambda: events(other, "chat_message"), "the message")
        assert events(other, "chat_message")[0]["text"] == "in bytes"
        errors = [m.data for m in client.__dict__["told"] if m.type == "error"]
        assert errors == ["the messages of a channel are text: send bytes as a stream"]


async def test_a_flood_is_held_back() -> None:
    """What is beyond some messages a second is lost, and the sender is told."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:
        client = await join(stack, engine.accept, uid=1)
        other = await join(stack, engine.accept, uid=2)
        for number in range(1000):
            await client.send({"event": "stream_message", "data": str(number)})
        await eventually(
            lambda: any("a second" in str(m.data) for m in client.__dict__["told"]), "an error"
        )
        await asyncio.sleep(0.5)
        assert 150 < len(events(other, "stream_message")) < 600


async def test_only_who_has_a_token_comes_in() -> None:
    """One that is right, and once; what it does not allow is refused."""
    channel = {"channel": "room", "uid": 7, "ttl": 60.0}
    good = build_token("app", SECRET, **channel)  # type: ignore[arg-type]
    refused = {
        "": "",
        "wrong secret": build_token("app", "another secret of some length..", **channel),  # type: ignore[arg-type]
        "wrong app": build_token("other", SECRET, **channel),  # type: ignore[arg-type]
        "wrong uid": build_token("app", SECRET, channel="room", uid=8, ttl=60),
        "wrong channel": build_token("app", SECRET, channel="other", uid=7, ttl=60),
        "expired": build_token("app", SECRET, channel="room", uid=7, ttl=60, now=time.time() - 100),
    }
    async with RtcEngine("app", SECRET) as engine, AsyncExitStack() as stack:
        for token in refused.values():
            with pytest.raises(TokenError) as error:
                await join(stack, engine.accept, uid=7, token=token)
            assert SECRET not in str(error.value)
        assert engine.snapshot().channels == {}
        client = await join(stack, engine.accept, uid=7, token=good)
        with pytest.raises(DuplicateSessionError):
            await join(stack, engine.accept, uid=7, token=good)
        quiet = build_token("app", SECRET, channel="room", uid=8, ttl=60, permissions=["subscribe"])
        listener = await join(stack, engine.accept, uid=8, token=quiet)
        await listener.send({"event": "chat_message", "data": "hello?"})
        await eventually(
            lambda: any("does not allow" in str(m.data) for m in listener.__dict__["told"]),
            "the refusal",
        )
        assert client.audio_source is not None
        await client.audio_source.capture_frame(tone(500, 1.0, RATE))
        assert np.abs(await hear(listener, 0.8)).max() > 1000


async def test_an_application_says_who_it_is() -> None:
    """What it gives goes before what the browser says of itself."""
    async with RtcEngine("app") as engine, AsyncExitStack() as stack:

        async def accept(body: Any) -> dict[str, Any]:
            return await engine.accept(body, channel="other", uid=7, name="Ada")

        client = await join(stack, accept, uid=8, name="Eve")
        (welcome,) = events(client, "joined")
        assert (welcome["channel"], welcome["uid"]) == ("other", 7)
        assert engine.room("other").members[7].name == "Ada"


async def test_offers_that_cannot_be_served() -> None:
    """They leave nothing behind."""
    async with RtcEngine("app") as engine:
        for params in ({}, {"channel": ""}, {"channel": "a/b"}, {"channel": "room", "uid": "x"}):
            with pytest.raises(MalformedOfferError):
                async with Client(engine.accept, params=params):
                    pass
        assert engine.snapshot().channels == {}
        assert engine.snapshot().tasks == 0


async def test_mounted_on_an_app_it_lives_as_long() -> None:
    """Over HTTP, with the status of a refusal; browsers that vanish are noticed."""
    app = FastAPI()
    engine = RtcEngine("app", max_users=2)
    engine.mount(app, "/rtc")
    async with serving(app) as url, AsyncExitStack() as stack:
        client = await join(stack, f"{url}/rtc", uid=1)
        other = await join(stack, f"{url}/rtc", uid=2)
        with pytest.raises(Exception, match="full"):
            await join(stack, f"{url}/rtc", uid=3)
        await eventually(lambda: events(client, "user_joined"), "the other")
        assert other.webrtc_id == "2"
    assert not engine.snapshot().running
