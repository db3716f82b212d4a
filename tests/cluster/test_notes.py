"""What other servers say: read within bounds, or dropped and counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError, MessageError
from fastrtc_core.channel import ChatMessage, RtcEngine, RtcOptions
from fastrtc_core.cluster import room_link
from fastrtc_core.cluster.bus import MemoryBus, MemoryHub
from fastrtc_core.cluster.notes import read_state, read_told
from fastrtc_core.cluster.wire import ID_SIZE, pack_note
from fastrtc_core.messaging.chat import MAX_AGE, ChatLog
from fastrtc_core.testing import run_virtual

from ..fuzz.strategies import damaged_json, dumped, examples, json_values
from .support import ROOM, Servers, servers, settle

pytestmark = pytest.mark.virtual_clock

USER: dict[str, Any] = {
    "uid": 5,
    "name": "Eve",
    "tracks": ["microphone"],
    "since": 1.5,
    "codec": None,
}
STATE: dict[str, Any] = {
    "type": "state",
    "age": 3.5,
    "users": [USER],
    "listens": True,
    "watches": [100],
}
WRITTEN: dict[str, Any] = {
    "sender": 5,
    "id": "m",
    "seq": 3,
    "text": "hello",
    "final": True,
    "age": 2.0,
}
WRONG_USERS: tuple[dict[str, Any], ...] = (
    *({"uid": uid} for uid in (0, -1, 2**32, True, 5.0)),
    *({"name": name} for name in ("x" * 129, 5, "\ud800")),
    *({"tracks": tracks} for tracks in ("camera", ["x"] * 17, [5])),
    *({"since": since} for since in (-1, 1e13, "1", None, 10**200)),
)
NOTES: tuple[dict[str, Any], ...] = (
    STATE,
    {"type": "who"},
    {"type": "gone"},
    {"type": "keyframe", "uid": 100},
    {"type": "tell", "to": None, "event": "stream_message", "details": [5, "hello", "m"]},
    {"type": "tell", "to": 100, "event": "rpc", "details": [5, '{"id": "1", "method": "m"}']},
    {"type": "tell", "to": 100, "event": "data_stream", "details": [5, "{}"]},
    {"type": "chat", "sender": 5, "id": "m", "seq": 1, "text": "hi", "final": True},
    {"type": "history", "messages": [WRITTEN]},
)


def packed(text: str, server: int = 1) -> bytes:
    """A note of another server, whatever its text."""
    return struct.pack(f"!B{ID_SIZE}s", 0, bytes([server]) * ID_SIZE) + text.encode(
        errors="replace"
    )


def link_of(made: Servers | list[RtcEngine]) -> Any:
    """The link of the room of the first server."""
    return made[0].room(ROOM).link


@pytest.mark.parametrize(
    "note_text",
    [
        *(
            f'{{"type": "state", "users": [], "age": {age}}}'
            for age in ("Infinity", "NaN", "1e999", "1e300", "-1", "true")
        ),
        *(json.dumps({**STATE, "users": [{**USER, **wrong}]}) for wrong in WRONG_USERS),
        json.dumps({**STATE, "watches": [0]}),
        json.dumps({**STATE, "watches": list(range(1, 66))}),
        json.dumps({**STATE, "users": [{**USER, "uid": uid} for uid in range(1, 5001)]}),
        json.dumps({"type": "tell", "event": "rpc", "details": [5, "x" * 200_000]}),
        json.dumps({"type": "tell", "event": "rpc", "details": [-5, "x"]}),
        json.dumps({"type": "tell", "event": "user_left", "details": [5, "x"]}),
        json.dumps({"type": "tell", "event": "rpc", "details": [5, "x"], "to": 0}),
        json.dumps(
            {"type": "tell", "event": "stream_message", "details": [5, "x", "y" * 129], "to": None}
        ),
        json.dumps({"type": "chat", "sender": 2**32, "id": "m", "seq": 1, "text": "hi"}),
        json.dumps({"type": "chat", "sender": 5, "id": "m", "seq": 2**53, "text": "hi"}),
        json.dumps({"type": "chat", "sender": 5, "id": "m", "seq": 1, "text": "x" * 5000}),
        *(
            json.dumps({"type": "history", "messages": [{**WRITTEN, **wrong}]})
            for wrong in ({"age": 1e300}, {"sender": 0}, {"seq": 2**60}, {"seq": True}, {"text": 5})
        ),
        json.dumps({"type": "history", "messages": [WRITTEN] * 201}),
    ],
    ids=lambda note: note[:60],
)
async def test_a_bad_note_is_dropped_and_counted(note_text: str) -> None:
    """It changes nothing, and the notes after it are read; the chat lives on."""
    async with servers(1) as made:
        member = await made.join(0, 100)
        room, link = made[0].room(ROOM), link_of(made)
        link.take(packed(note_text))
        assert link.dropped == 1
        assert member.remote_users == {}
        assert room.chat.history == []
        assert 0 <= room.time < 1
        link.take(packed(json.dumps(STATE)))
        assert sorted(member.remote_users) == [5]
        assert link.dropped == 1
        read: list[ChatMessage] = []

        @member.on("chat_message")
        async def note_message(message: ChatMessage) -> None:
            read.append(message)

        await member.send_chat_message("still here")
        await settle()
        assert [message.text for message in read] == ["still here"]
        assert math.isfinite(read[0].time)


async def test_a_channel_holds_no_more_than_its_users_on_all_servers() -> None:
    """Those whom other servers name beyond `max_users` are left out and counted, and let in when
    somebody leaves; whoever comes here is refused meanwhile."""
    engine = RtcEngine("app", bus=MemoryBus(MemoryHub()), max_users=4)
    async with engine:
        here = [engine.create_channel(RtcOptions(channel_name=ROOM, uid=n)) for n in (100, 101)]
        for channel in here:
            await channel.connect()
        users = [{**USER, "uid": uid} for uid in (1, 2, 3, 4)]
        link = link_of([engine])
        link.take(packed(json.dumps({**STATE, "users": users})))
        assert sorted(here[0].remote_users) == [1, 2, 101]
        assert link.dropped == 2
        link.take(packed(json.dumps({**STATE, "users": [*users, {**USER, "uid": 9}]})))
        assert link.dropped == 3, "more than a channel holds: not even read"
        late = engine.create_channel(RtcOptions(channel_name=ROOM, uid=102))
        with pytest.raises(Exception, match="full"):
            await late.connect()
        await here[1].disconnect()
        link.take(packed(json.dumps({**STATE, "users": users})))
        assert sorted(here[0].remote_users) == [1, 2, 3]


async def test_the_chat_so_far_is_sent_once_a_second() -> None:
    """Whoever asks, and however often: all get the same one."""
    async with servers(1) as made:
        member = await made.join(0, 100)
        await member.send_chat_message("hello")
        link, sent = link_of(made), []
        link._note = lambda type, **data: sent.append(type)
        await asyncio.sleep(5)
        sent.clear()
        link._server = bytes(ID_SIZE)  # the one of all servers that answers
        for _ in range(20):
            for _ in range(50):
                link.take(pack_note(b"\xff" * ID_SIZE, {"type": "who"}))
            await asyncio.sleep(0.1)
        assert sent.count("history") in (2, 3)


async def test_no_more_servers_than_there_can_be() -> None:
    """Ids of servers that nobody has are no way to fill the memory."""
    async with servers(1) as made:
        await made.join(0, 100)
        link = link_of(made)
        empty = {"type": "state", "age": 1, "users": [], "listens": False, "watches": []}
        for number in range(room_link.MAX_SERVERS + 5):
            link.take(pack_note(number.to_bytes(ID_SIZE, "big"), empty))
        assert len(link._others) == room_link.MAX_SERVERS
        assert link.dropped == 5


@given(st.lists(damaged_json(NOTES).map(dumped) | json_values.map(dumped), max_size=6))
@examples(50)
def test_notes_of_any_json(texts: list[str]) -> None:
    """None ends the link or the chat, none is an error of this server, and none is believed too
    much."""

    async def run() -> None:
        async with servers(1) as made:
            member = await made.join(0, 100)
            room, link = made[0].room(ROOM), link_of(made)
            for text in texts:
                link.take(packed(text))
            assert len(room.members) <= room.max_users
            assert all(0 < uid < 2**32 for uid in room.members)
            assert 0 <= room.time <= MAX_AGE + 1
            assert all(abs(m.time) <= 2 * MAX_AGE + 1 for m in room.chat.history)
            if member.state == "connected":  # somebody of its uid may have been elsewhere before
                await member.send_chat_message("still here")
                assert room.chat.history[-1].text == "still here"
            await asyncio.sleep(room_link.DEAD_AFTER + 2)
            assert [member for member in room.members.values() if not member.is_here] == []

    run_virtual(run())


@given(st.dictionaries(st.sampled_from([*STATE, "event", "details", "to"]), json_values))
@examples(60)
def test_notes_are_read_or_refused(note: dict[str, Any]) -> None:
    """With a `MessageError` and nothing else."""
    for read in (lambda: read_state(note, 64), lambda: read_told(note)):
        with contextlib.suppress(MessageError):
            read()


def test_a_chat_takes_all_of_another_or_nothing() -> None:
    """One bad message among good ones changes nothing."""
    chat = ChatLog()
    with pytest.raises(MessageError):
        chat.restore([WRITTEN, {**WRITTEN, "id": "n", "age": float("nan")}], 10.0)
    assert chat.history == []
    assert [m.time for m in chat.restore([WRITTEN], 10.0)] == [8.0]
    with pytest.raises(ConfigurationError):
        ChatLog(history_size=-1)
