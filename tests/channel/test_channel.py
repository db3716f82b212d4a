"""Members of this process in one channel."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest

from fastrtc_core import (
    AsyncStreamHandler,
    AudioFrame,
    AudioStream,
    ChannelClosedError,
    ConcurrencyLimitError,
    ConfigurationError,
    DuplicateSessionError,
    InvalidFrameError,
    MessageError,
)
from fastrtc_core.channel import Channel, RtcEngine, RtcOptions
from fastrtc_core.channel.local_member import EVENTS
from fastrtc_core.testing import fit_sine, tone

from ..failures import Failure, every_failure, first

pytestmark = pytest.mark.virtual_clock
RATE = 24000


@asynccontextmanager
async def meeting(*uids: int, **options: Any) -> AsyncIterator[list[Channel]]:
    """Members in one channel."""
    async with RtcEngine("app") as engine:
        channels = []
        for uid in uids:
            channel = engine.create_channel(RtcOptions(channel_name="room", uid=uid, **options))
            await channel.connect()
            channels.append(channel)
        yield channels


async def hear(stream: AudioStream, seconds: float) -> np.ndarray[Any, Any]:
    parts: list[Any] = []
    while len(parts) * 0.02 < seconds:
        parts.append((await stream.read()).data[0])
    return np.concatenate(parts)


def test_each_event_is_described() -> None:
    """The table of `Channel` has a row for each event that callbacks are told, and no other."""
    rows = re.findall(r"^ *\| (`.*?) \|", Channel.__doc__ or "", re.MULTILINE)
    assert set(re.findall(r"\w+", " ".join(rows))) == EVENTS


async def test_each_user_is_heard_before_mixing() -> None:
    """Two speak at once, and a third hears each for itself; nobody hears itself."""
    async with meeting(1, 2, 3) as (one, two, three):
        await asyncio.sleep(0.1)
        await one.push_audio_frame(tone(500, 1.0, RATE))
        await two.push_audio_frame(tone(900, 1.0, 48000).data.tobytes())  # 2 s of the half
        first, second = three.get_audio_frames(1), three.get_audio_frames(2)
        heard = await hear(first, 0.8)
        assert fit_sine(heard[RATE // 10 : RATE // 2], 500, RATE).snr > 50
        heard = await hear(second, 0.8)
        assert fit_sine(heard[RATE // 10 : RATE // 2], 450, RATE).snr > 50
        with pytest.raises(ConfigurationError, match="not subscribed"):
            three.get_audio_frames(3)


async def test_who_comes_and_goes_is_told() -> None:
    """In order, to async and sync callbacks and decorators; nothing after `off`."""
    told: list[Any] = []
    async with RtcEngine("app") as engine:
        first = engine.create_channel(RtcOptions(channel_name="room", uid=1, name="Ada"))

        @first.on("user_joined")
        def joined(uid: int, user: dict[str, Any]) -> None:
            told.append(("joined", uid, user["name"]))

        @first.on("user_left")
        async def left(uid: int, reason: str) -> None:
            told.append(("left", uid, reason))

        @first.once("connection_state_changed")
        def changed(state: str) -> None:
            told.append(state)

        assert first.state == "disconnected"
        await first.connect()
        await first.connect()
        waiting = asyncio.create_task(first.wait_for_remote_user(timeout=5))
        await asyncio.sleep(0.1)
        second = engine.create_channel(RtcOptions(channel_name="room", uid=2, name="Bob"))
        await second.connect()
        assert await waiting == 2
        assert await second.wait_for_remote_user() == 1
        assert second.remote_users[1].name == "Ada"
        assert second.remote_users[1].tracks == ["microphone"]
        await asyncio.sleep(0.1)
        stream = first.get_audio_frames(2)
        await second.disconnect()
        await second.disconnect()
        await asyncio.sleep(0.1)
        assert [event async for event in stream] == []
        assert told == ["connected", ("joined", 2, "Bob"), ("left", 2, "left")]
        assert first.remote_users == {}
        with pytest.raises(ConfigurationError, match="entered once"):
            await second.connect()
        first.off("user_joined", joined)
        third = engine.create_channel(RtcOptions(channel_name="room"))
        await third.connect()
        await asyncio.sleep(0.1)
        assert len(told) == 3
        assert third.uid > 0


async def test_messages_and_chat() -> None:
    """To all others or to one; the chat to everybody, in order, and late comers read it."""
    got: list[Any] = []
    async with meeting(1, 2, 3) as (one, two, three):
        for channel in (one, two, three):
            channel.on("stream_message", lambda *args, uid=channel.uid: got.append((uid, *args)))
            channel.on(
                "chat_message", lambda message, uid=channel.uid: got.append((uid, message.text))
            )
        await one.send_stream_message("to all", "7")
        await one.send_stream_message("to three", to=3)
        with pytest.raises(ConfigurationError, match="no user 9"):
            await one.send_stream_message("to nobody", to=9)
        await asyncio.sleep(0.1)
        assert sorted(got) == [(2, 1, "to all", "7"), (3, 1, "to all", "7"), (3, 1, "to three", "")]
        got.clear()
        for number in range(20):
            await two.send_chat_message(str(number))
        await two.send_chat_message("a dra", msg_id="draft", final=False)
        await two.send_chat_message("a draft", msg_id="draft")
        await asyncio.sleep(0.2)
        for uid in (1, 2, 3):
            texts = [text for who, text in got if who == uid]
            assert texts == [*map(str, range(20)), "a dra", "a draft"]
        assert [message.text for message in one.rtc.room(one.channelId).chat.history][-2:] == [
            "19",
            "a draft",
        ]


async def test_a_callback_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the others are called, and itself the next time."""
    got: list[str] = []
    async with meeting(1, 2) as (one, two):

        @one.on("stream_message")
        async def broken(uid: int, text: str) -> None:
            got.append(text)
            raise ValueError("private")

        @one.on("stream_message")
        def works(uid: int, text: str) -> None:
            got.append(text)

        for text in ("a", "b"):
            await two.send_stream_message(text)
        await asyncio.sleep(0.1)
        assert sorted(got) == ["a", "a", "b", "b"]
    assert caplog.text.count("a callback of a channel failed") == 2


async def test_a_slow_callback_misses_the_oldest() -> None:
    """Bounded, and counted."""
    got: list[str] = []
    async with meeting(1, 2) as (one, two):

        @one.on("stream_message")
        async def slow(uid: int, text: str) -> None:
            await asyncio.sleep(1)
            got.append(text)

        for number in range(1000):
            await two.send_stream_message(str(number))
        await asyncio.sleep(300)
        assert len(got) <= 258
        assert got[-1] == "999"
        assert one.rtc.snapshot().dropped >= 740


async def test_pictures() -> None:
    """Of a user, as they are, in a frame of the reader's own."""
    async with meeting(1, 2) as (one, two):
        seen = two.get_video_frames(1)
        picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        one.push_video_frame(frame)
        got = await seen.read()
        assert got is not frame
        assert got.to_ndarray().tolist() == picture.tolist()
        assert two.remote_users[1].tracks == ["camera", "microphone"]


async def test_what_is_cleared_is_not_heard() -> None:
    """An interruption: silence within 20 ms."""
    async with meeting(1, 2) as (one, two):
        await asyncio.sleep(0.1)
        stream = two.get_audio_frames(1)
        pushing = asyncio.create_task(one.push_audio_frame(tone(500, 5.0, RATE)))
        await hear(stream, 0.5)
        one.clear_sender_audio_buffer()
        await pushing
        await asyncio.sleep(1)
        assert stream.statistics().queued <= 2


class Parrot(AsyncStreamHandler):
    """Says back what it hears, and counts its copies."""

    made: list[Parrot]

    def __init__(self, made: list[Parrot]) -> None:
        super().__init__(input_sample_rate=16000, output_sample_rate=16000)
        self.made = made
        self.queue: asyncio.Queue[AudioFrame] = asyncio.Queue()
        self.ended = False

    async def start_up(self) -> None:
        self.made.append(self)

    async def receive(self, frame: AudioFrame) -> None:
        self.queue.put_nowait(frame)

    async def emit(self) -> AudioFrame:
        return await self.queue.get()

    async def on_message(self, message: Any) -> None:
        await self.send_message(f"{message['uid']} said {message['data']}")

    async def shutdown(self) -> None:
        self.ended = True

    def copy(self) -> Parrot:
        return Parrot(self.made)


@pytest.mark.parametrize("per_user", [False, True])
async def test_a_handler_takes_part(per_user: bool) -> None:
    """It hears all, in one copy or one for each, and all hear it; it ends with the channel."""
    made: list[Parrot] = []
    said: list[str] = []
    async with meeting(1, 2, 9) as (one, two, agent):
        attachment = await agent.attach(Parrot(made), per_user=per_user)
        with pytest.raises(ConfigurationError, match="already"):
            await agent.attach(Parrot(made))
        await asyncio.sleep(0.1)
        assert len(made) == (2 if per_user else 1)
        stream = two.get_audio_frames(9)
        await one.push_audio_frame(tone(500, 1.0, RATE))
        heard = await hear(stream, 0.9)
        assert fit_sine(heard[RATE // 4 : RATE * 3 // 4], 500, RATE).snr > 30
        one.on("stream_message", lambda uid, text: said.append(text))
        await one.send_stream_message("hello", to=9)
        await asyncio.sleep(0.1)
        assert said == ["1 said hello"]
        await two.disconnect()
        await asyncio.sleep(0.1)
        assert [copy.ended for copy in made].count(True) == (1 if per_user else 0)
        await attachment.aclose()
        await attachment.aclose()
        assert all(copy.ended for copy in made)


async def test_limits_and_what_makes_no_sense() -> None:
    """Each with a text that says what is wrong."""
    engine = RtcEngine("app", "a secret of thirty-two characters", max_users=1, max_channels=1)
    assert "secret" not in repr(engine)
    with pytest.raises(ConfigurationError, match="id of its application"):
        RtcEngine("")
    async with engine:
        one = engine.create_channel(RtcOptions(channel_name="room", uid=1))
        with pytest.raises(ConfigurationError, match="not connected"):
            await one.push_audio_frame(tone(500, 0.02, RATE))
        await one.connect()
        with pytest.raises(ConcurrencyLimitError):
            await engine.create_channel(RtcOptions(channel_name="room")).connect()
        with pytest.raises(ConcurrencyLimitError):
            await engine.create_channel(RtcOptions(channel_name="other")).connect()
        with pytest.raises(InvalidFrameError, match="whole number"):
            await one.push_audio_frame(b"abc")
        with pytest.raises(TimeoutError):
            await one.wait_for_remote_user(timeout=0.1)
        waiting = asyncio.create_task(one.wait_for_remote_user())
        await asyncio.sleep(0)
        await one.disconnect()
        with pytest.raises(ChannelClosedError):
            await waiting
        assert engine.snapshot().channels == {}
    async with RtcEngine("app") as engine:
        for _ in range(2):
            twin = engine.create_channel(RtcOptions(channel_name="room", uid=1))
            if engine.snapshot().channels:
                with pytest.raises(DuplicateSessionError):
                    await twin.connect()
            else:
                await twin.connect()


class Slow(Parrot):
    """Takes a while to begin, and to end."""

    async def start_up(self) -> None:
        self.made.append(self)
        await asyncio.sleep(0.3)

    async def shutdown(self) -> None:
        await asyncio.sleep(0.5)
        self.ended = True

    def copy(self) -> Slow:
        return Slow(self.made)


async def test_who_comes_while_another_leaves() -> None:
    """An agent whose handler takes its time is gone at once for others, and nobody is a ghost."""
    async with meeting(9) as (agent,):
        await agent.attach(Slow([]))
        await asyncio.sleep(0.5)
        leaving = asyncio.create_task(agent.disconnect())
        await asyncio.sleep(0.1)
        engine = agent.rtc
        other = engine.create_channel(RtcOptions(channel_name="room", uid=1))
        await other.connect()
        assert other.remote_users == {}
        leaving.cancel()
        await asyncio.wait({leaving})
        assert agent.source.closed
        await agent.disconnect()
        await other.disconnect()
        assert engine.snapshot().channels == {}


async def test_users_who_come_and_go_quickly_are_followed() -> None:
    """Each who is there has one copy that hears it, whatever the copies take to begin and end."""
    made: list[Parrot] = []
    async with meeting(9) as (agent,):
        attachment = await agent.attach(Slow(made), per_user=True)
        engine = agent.rtc
        for _ in range(3):
            brief = engine.create_channel(RtcOptions(channel_name="room", uid=1))
            await brief.connect()
            await asyncio.sleep(0.05)
            await brief.disconnect()
        stays = engine.create_channel(RtcOptions(channel_name="room", uid=1))
        await stays.connect()
        await asyncio.sleep(3)
        assert list(attachment._sessions) == [1]
        assert [copy.ended for copy in made].count(False) == 1
        stream = stays.get_audio_frames(9)
        await stays.push_audio_frame(tone(500, 1.0, RATE))
        heard = await hear(stream, 0.9)
        assert fit_sine(heard[RATE // 4 : RATE * 3 // 4], 500, RATE).snr > 30
        await attachment.aclose()
        assert all(copy.ended for copy in made)


async def test_another_handler_may_follow() -> None:
    """Once the first is detached; between them, what is pushed is heard."""
    async with meeting(1, 9) as (user, agent):
        for _ in range(2):
            attachment = await agent.attach(Parrot([]))
            await asyncio.sleep(0.1)
            await attachment.aclose()
        stream = user.get_audio_frames(9)
        await agent.push_audio_frame(tone(700, 1.0, RATE))
        heard = await hear(stream, 0.8)
        assert fit_sine(heard[RATE // 10 : RATE // 2], 700, RATE).snr > 50


async def test_messages_that_cannot_be_carried() -> None:
    """They are refused before anybody is told."""
    async with meeting(1, 2) as (one, two):
        got: list[Any] = []
        two.on("stream_message", lambda *details: got.append(details))
        for text, msg_id in (("x" * 300_000, ""), ("\ud800", ""), ("x", "i" * 200)):
            with pytest.raises(MessageError):
                await one.send_stream_message(text, msg_id)
        await one.send_stream_message("x" * 200_000)
        await asyncio.sleep(0.1)
        ((uid, text, msg_id),) = got
        assert (uid, len(text)) == (1, 200_000)
        assert msg_id


async def test_a_member_that_cannot_be_told_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told, and who came is in."""
    async with meeting(1, 2) as (one, two):
        joined: list[int] = []
        two.on("user_joined", lambda uid: joined.append(uid))

        def fail(*_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(one, "tell", fail)
        three = two.rtc.create_channel(RtcOptions(channel_name="room", uid=3))
        await three.connect()
        await asyncio.sleep(0.1)
        assert joined == [3]
        assert sorted(three.remote_users) == [1, 2]


@every_failure
async def test_a_callback_may_raise_anything(failure: Failure) -> None:
    """It is told of what happens next, and so are the others; the channel goes on."""
    told: list[Any] = []
    other: list[int] = []
    async with meeting(1, 2, 3) as (one, two, three):
        one.on("user_left", first(failure, lambda *args: told.append(args)))
        one.on("user_left", other.append)
        for channel in (two, three):
            await channel.disconnect()
            await asyncio.sleep(0.1)
        assert [args[0] for args in told] == [3]
        assert other == [2, 3]


async def test_a_snapshot_says_who_is_there() -> None:
    """Members, what they publish and mute, and the tasks; nothing is left at the end."""
    async with meeting(1, 2) as (one, two):
        await one.push_audio_frame(tone(500, 0.1, 24000))
        two.mute()
        two.push_video_frame(av.VideoFrame(64, 64, "yuv420p"))
        await one.send_chat_message("hello")
        running = asyncio.Event()

        async def answer(call: Any) -> str:
            running.set()
            await asyncio.sleep(10)
            return ""

        two.register_rpc_method("wait", answer)
        calling = asyncio.create_task(one.perform_rpc(2, "wait"))
        await running.wait()
        engine: RtcEngine = one.rtc
        snapshot = engine.snapshot()
        assert (snapshot.running, snapshot.connecting, snapshot.dropped) == (True, {}, 0)
        assert snapshot.tasks > 0
        room = snapshot.channels[one.channelId]
        assert (room.name, room.whole, room.chat, room.cameras) == (one.channelId, True, 1, (2,))
        assert room.encoders == 0
        assert {uid: member.kind for uid, member in room.members.items()} == {
            1: "process",
            2: "process",
        }
        assert room.members[1] == one.snapshot()
        assert room.members[2].muted == ("microphone",)
        assert "camera" in room.members[2].tracks
        assert (room.members[1].asked, room.members[2].calls) == (1, 1)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    assert not engine.snapshot().running
    assert engine.snapshot().channels == {}
    assert engine.snapshot().tasks == 0
