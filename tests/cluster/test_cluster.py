"""Rooms on several servers, linked by a bus in this process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrtc_core import (
    AsyncStreamHandler,
    ConfigurationError,
    DuplicateSessionError,
    RpcError,
    UnavailableError,
)
from fastrtc_core.channel import (
    ByteStreamReader,
    Channel,
    ChatMessage,
    RtcOptions,
    TextStreamReader,
)
from fastrtc_core.cluster import room_link
from fastrtc_core.cluster.remote_member import RemoteMember
from fastrtc_core.cluster.wire import pack_note
from fastrtc_core.room.grants import ALL_PERMISSIONS, Grant
from fastrtc_core.testing import VirtualClockLoop, fit_sine, tone

from ..channel.test_channel import RATE, hear
from ..examples import tries
from ..inside import check_use
from ..room.callbacks import noting
from .support import ROOM, Servers, servers, settle

pytestmark = pytest.mark.virtual_clock


async def test_who_is_elsewhere_is_known() -> None:
    """Who comes, goes and publishes on another server is told, and a late joiner learns it."""
    async with servers(3) as three:
        told: list[tuple[Any, ...]] = []
        ada = await three.join(0, 1, name="Ada")
        for event in ("user_joined", "user_left", "track_published"):

            async def note(*details: Any, event: str = event) -> None:
                told.append((event, *details))

            ada.on(event, note)
        bob = await three.join(1, 2, name="Bob")
        await settle()
        assert ada.remote_users[2].name == "Bob"
        assert ada.remote_users[2].tracks == ["microphone"]
        assert bob.remote_users[1].name == "Ada"
        assert [(event, uid) for event, uid, *_ in told] == [
            ("user_joined", 2),
            ("track_published", 2),
        ]
        late = await three.join(2, 3)
        assert await late.wait_for_remote_user(1) in (1, 2)
        await settle()
        assert sorted(late.remote_users) == [1, 2]
        told.clear()
        await bob.disconnect()
        await settle()
        assert told == [("user_left", 2, "left")]
        assert sorted(ada.remote_users) == [3]


async def test_all_hear_all() -> None:
    """Each voice arrives whole on the other servers; where nobody listens it is not decoded."""
    async with servers(3) as three:
        one, two = await three.join(0, 1), await three.join(1, 2)
        await settle()
        await one.push_audio_frame(tone(500, 1.5, RATE))
        await two.push_audio_frame(tone(900, 1.5, RATE))
        there, back = await asyncio.gather(
            hear(two.get_audio_frames(1), 1.0), hear(one.get_audio_frames(2), 1.0)
        )
        assert fit_sine(there[RATE // 2 :], 500, RATE).snr > 30
        assert fit_sine(back[RATE // 2 :], 900, RATE).snr > 30
        member = three[1].room(ROOM).members[1]
        assert isinstance(member, RemoteMember)
        incoming = member._incoming
        assert incoming is not None
        assert incoming.concealed_samples == 0


async def test_what_nobody_hears_is_not_sent() -> None:
    """A server whose members may not hear gets no audio, and one that is alone sends none."""
    async with servers(2) as two:
        one = await two.join(0, 1)
        await one.push_audio_frame(tone(500, 0.5, RATE))
        await settle(1.0)
        sent = two.buses[0].statistics().published
        await settle(1.0)
        assert two.buses[0].statistics().published == sent + 1, "its state, once a second"
        other = await two.join(1, 2)
        other.permissions = frozenset({"publish_audio"})
        link: Any = two[1].room(ROOM).link
        link.changed()
        await settle()
        await one.push_audio_frame(tone(500, 0.5, RATE))
        await settle(1.0)
        member = two[1].room(ROOM).members[1]
        assert isinstance(member, RemoteMember)
        assert not member.snapshot().decodes, "no decoder was made"


async def test_a_server_that_dies_takes_its_members_with_it() -> None:
    """Within 6 s; those who are left go on hearing each other, and are told when it is back."""
    async with servers(2) as two:
        here, beside, there = await two.join(0, 1), await two.join(0, 2), await two.join(1, 3)
        left: list[Any] = []
        states: list[str] = []
        there.on("user_left", noting(left))
        here.on("connection_state_changed", noting(states))
        await settle()
        two.buses[0].cut()
        await settle()
        assert states == ["reconnecting"]
        await beside.push_audio_frame(tone(500, 1.0, RATE))
        heard = await hear(here.get_audio_frames(2), 0.8)
        assert fit_sine(heard[RATE // 10 : RATE // 2], 500, RATE).snr > 50
        await asyncio.sleep(5.8 - 0.2 - 0.8)
        assert sorted(left) == [(1, "lost"), (2, "lost")]
        assert sorted(here.remote_users) == [2]
        two.buses[0].mend()
        await settle()
        assert here.state == "connected"
        assert states == ["reconnecting", "connected"]
        assert sorted(there.remote_users) == [1, 2]
        assert sorted(here.remote_users) == [2, 3]
        await here.push_audio_frame(tone(700, 1.0, RATE))
        heard = await hear(there.get_audio_frames(1), 0.8)
        assert fit_sine(heard[RATE // 4 : RATE // 2], 700, RATE).snr > 30


async def test_of_two_with_one_uid_the_first_stays() -> None:
    """They came while the servers could not reach each other."""
    async with servers(2) as two:
        two.buses[0].cut()
        first = await two.join(0, 7, name="first")
        second = await two.join(1, 7, name="second")
        second.since = first.since + 1
        watching = await two.join(1, 8)
        two.buses[0].mend()
        await settle(2.5)
        assert first.state == "connected"
        assert second.state == "disconnected"
        assert watching.remote_users[7].name == "first"
        assert sorted(first.remote_users) == [8]


async def test_messages_and_calls() -> None:
    """To all and to one, in order; the chat of before reaches a server that is new."""
    async with servers(3) as three:
        ada, bob, eve = [await three.join(server, server + 1) for server in range(3)]
        got: dict[str, list[Any]] = {"bob": [], "eve": [], "chat": []}
        bob.on("stream_message", noting(got["bob"]))
        eve.on("stream_message", noting(got["eve"]))
        eve.on("chat_message", noting(got["chat"]))
        await settle()
        await ada.send_stream_message("to all", "a")
        await ada.send_stream_message("to Bob", "b", to=2)
        for number in range(50):
            await ada.send_chat_message(str(number), msg_id=f"m{number}")
        await ada.send_chat_message("49, I mean", msg_id="m49")
        await settle()
        assert got["bob"] == [(1, "to all", "a"), (1, "to Bob", "b")]
        assert got["eve"] == [(1, "to all", "a")]
        assert [m.text for m in got["chat"]] == [*map(str, range(50)), "49, I mean"]
        bob.register_rpc_method("double", lambda call: str(2 * int(call.payload)))
        assert await eve.perform_rpc(2, "double", "21") == "42"
        with pytest.raises(RpcError) as error:
            await eve.perform_rpc(2, "halve", "21")
        assert error.value.code == 1400

    async with servers(2) as two:
        ada = await two.join(0, 1)
        await asyncio.sleep(10)
        for number in range(45):
            await ada.send_chat_message(str(number))
        await asyncio.sleep(5)
        read: list[ChatMessage] = []
        late = two[1].create_channel(RtcOptions(channel_name=ROOM, uid=2))
        late.on("chat_message", noting(read))
        await late.connect()
        await settle()
        assert [message.text for message in read] == [*map(str, range(45))]
        assert read[0].time == pytest.approx(10, abs=0.1), "the clock of the channel is one"


async def test_a_call_fails_when_the_server_dies() -> None:
    """It does not wait for its own time-out."""
    async with servers(2) as two:
        one, other = await two.join(0, 1), await two.join(1, 2)

        async def sleep(_call: Any) -> str:
            await asyncio.sleep(60)
            return ""

        other.register_rpc_method("sleep", sleep)
        await settle()
        calling = asyncio.create_task(one.perform_rpc(2, "sleep", response_timeout=60))
        await settle()
        two.buses[1].cut()
        with pytest.raises(RpcError) as error:
            async with asyncio.timeout(6):
                await calling
        assert error.value.code == 1503


async def test_a_handler_hears_and_is_heard_elsewhere() -> None:
    """An agent on one server, a user on another."""

    class Echo(AsyncStreamHandler):
        def __init__(self) -> None:
            super().__init__(input_sample_rate=RATE, output_sample_rate=RATE)
            self.queue: asyncio.Queue[Any] = asyncio.Queue()

        async def receive(self, frame: Any) -> None:
            self.queue.put_nowait(frame)

        async def emit(self) -> Any:
            return await self.queue.get()

        def copy(self) -> Echo:
            return Echo()

    async with servers(2) as two:
        agent, user = await two.join(0, 1), await two.join(1, 2)
        await agent.attach(Echo())
        await settle()
        await user.push_audio_frame(tone(600, 1.5, RATE))
        heard = await hear(user.get_audio_frames(1), 1.2)
        assert fit_sine(heard[RATE // 2 : RATE], 600, RATE).snr > 20


async def test_pauses_are_kept() -> None:
    """Silence between two sounds takes as long on the other server."""
    async with servers(2) as two:
        one, other = await two.join(0, 1), await two.join(1, 2)
        await settle()
        stream = other.get_audio_frames(1)
        begun = asyncio.get_running_loop().time()
        loud: list[float] = []

        async def note() -> None:
            async for event in stream:
                if np.abs(event.frame.data).max() > 3000:
                    loud.append(asyncio.get_running_loop().time() - begun)

        noting = asyncio.create_task(note())
        for _ in range(3):
            await one.push_audio_frame(tone(500, 0.2, RATE))
            await asyncio.sleep(3)
        noting.cancel()
        gaps = [gap for gap in np.diff(loud) if gap > 1]
        assert gaps == pytest.approx([2.8, 2.8], abs=0.1)


async def test_an_empty_room_is_let_go() -> None:
    """And can be entered again at once."""
    async with servers(2) as two:
        other = await two.join(1, 9)
        for _ in range(5):
            one = await two.join(0, 1)
            await one.disconnect()
        assert two[0].snapshot().channels == {}
        one = await two.join(0, 1)
        await settle()
        assert sorted(one.remote_users) == [9]
        assert sorted(other.remote_users) == [1]


NOTES = st.fixed_dictionaries(
    {"type": st.sampled_from(["state", "who", "gone", "tell", "chat", "history", "other"])},
    optional={
        "age": st.floats(0, 100) | st.none(),
        "users": st.lists(
            st.fixed_dictionaries(
                {
                    "uid": st.integers(0, 5) | st.text(max_size=2),
                    "name": st.text(max_size=3),
                    "tracks": st.lists(st.sampled_from(["microphone", "camera"])),
                    "since": st.floats(0, 10),
                }
            )
            | st.integers(),
            max_size=4,
        ),
        "listens": st.booleans(),
        "event": st.sampled_from(["stream_message", "rpc", "user_left"]),
        "details": st.lists(st.integers() | st.text(max_size=3), max_size=3),
        "to": st.none() | st.integers(0, 5) | st.text(max_size=1),
        "sender": st.integers(0, 5),
        "text": st.text(max_size=10),
        "messages": st.lists(st.none() | st.dictionaries(st.text(max_size=3), st.integers())),
    },
)


@pytest.mark.virtual_clock
@settings(max_examples=tries(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), NOTES) | st.binary(max_size=40),
        max_size=25,
    )
)
def test_whatever_comes_over_the_bus_does_no_harm(
    messages: list[tuple[int, dict[str, Any]] | bytes],
) -> None:
    """What cannot be read is dropped; when the other servers are gone, so are their members."""

    async def run() -> None:
        async with servers(1) as one:
            member = await one.join(0, 100)
            link: Any = one[0].room(ROOM).link
            for message in messages:
                link.take(
                    message
                    if isinstance(message, bytes)
                    else pack_note(bytes([message[0]]) * 8, message[1])
                )
            assert 100 not in member.remote_users
            await asyncio.sleep(room_link.DEAD_AFTER + 2)
            assert member.remote_users == {}
            assert member.state == "connected"

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(run())


async def test_a_server_that_ends_says_so() -> None:
    """Its members leave at once, not when it is missed."""
    async with servers(2) as two:
        await two.join(0, 1)
        there = await two.join(1, 2)
        await settle()
        await two[0].destroy()
        await settle(0.05)
        assert there.remote_users == {}


async def test_a_token_serves_once_on_all_servers() -> None:
    """And not at all while nobody can say whether it was used."""
    secret = "a secret of thirty-two characters"
    grants = [Grant("room", 7, ALL_PERMISSIONS, time.time() + 60, id) for id in ("a", "b", "c")]
    async with servers(2, secret) as two:
        await check_use(two[0], grants[0])
        with pytest.raises(DuplicateSessionError):
            await check_use(two[1], grants[0])
        two.buses[1].cut()
        with pytest.raises(UnavailableError, match="bus"):
            await check_use(two[1], grants[1])
        two.buses[1].mend()
        await check_use(two[0], grants[1])
        await check_use(two[1], grants[2])


async def test_streams_cross() -> None:
    """Texts and bytes, to one and to all, at the pace of who reads; a dead server is let go."""
    async with servers(3) as three:
        one, two, other = [await three.join(server, server + 1) for server in range(3)]
        await settle()
        texts: list[tuple[int, str]] = []
        files: dict[int, bytes] = {}

        async def read(reader: TextStreamReader, uid: int) -> None:
            texts.append((uid, await reader.read_all()))

        two.register_text_stream_handler("notes", read)
        for member in (two, other):

            async def keep(reader: ByteStreamReader, _uid: int, member: Channel = member) -> None:
                files[member.uid] = await reader.read_all()

            member.register_byte_stream_handler("files", keep)
        await one.send_text("ä" * 50_000, to=2, topic="notes")
        assert texts == [(1, "ä" * 50_000)]
        content = bytes(range(256)) * 2000
        async with await one.stream_bytes("all", topic="files", total_size=len(content)) as writer:
            await writer.write(content)
        assert files == {2: content, 3: content}
        three.buses[2].cut()
        async with asyncio.timeout(12):
            async with await one.stream_bytes("rest", topic="files") as writer:
                await writer.write(content)
        assert writer.dropped == {3: "has left"}


async def test_a_room_that_fails_keeps_no_other_from_its_beat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are kept in step, and it is in the log."""
    async with servers(2) as two:
        broken = two[0].create_channel(RtcOptions(channel_name="broken", uid=1))
        await broken.connect()
        one, other = await two.join(0, 1), await two.join(1, 2)

        def fail() -> None:
            raise RuntimeError

        monkeypatch.setattr(two[0].room("broken").link, "beat", fail)
        await settle(2 * room_link.DEAD_AFTER)
        assert sorted(one.remote_users) == [2]
        assert sorted(other.remote_users) == [1]
        assert "could not be kept in step" in caplog.text


async def test_an_engine_whose_bus_refuses_does_not_run() -> None:
    """And can be started once the bus does not."""
    (engine,) = made = Servers(1)
    await made.buses[0].start(lambda connected: None)
    with pytest.raises(ConfigurationError, match="runs already"):
        await engine.start()
    with pytest.raises(ConfigurationError, match="destroyed"):
        await engine.create_channel(RtcOptions(channel_name=ROOM)).connect()
    await made.buses[0].aclose()
    async with engine:
        channel = await made.join(0, 1)
        assert channel.state == "connected"
