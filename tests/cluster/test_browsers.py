"""Browsers on different servers of one channel, over real connections."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fastrtc_core.client import Client
from fastrtc_core.testing import fit_sine, tone

from ..room.test_browser_member import RATE, events, hear, join
from ..webrtc.support import eventually
from .support import ROOM, servers


async def test_they_hear_each_other_and_not_themselves() -> None:
    """Two on one server, one on another; a late one gets the users and the chat."""
    frequencies = {1: 500, 2: 900, 3: 1500}
    async with servers(2) as two, AsyncExitStack() as stack:
        clients: dict[int, Client] = {}
        for uid in frequencies:
            clients[uid] = await join(stack, two[uid // 3].accept, uid=uid)
        everybody = tuple(clients.values())
        await eventually(lambda: all(len(_users(one)) == 2 for one in everybody), "the others")
        async with asyncio.TaskGroup() as tasks:
            for uid, frequency in frequencies.items():
                source = clients[uid].audio_source
                assert source is not None
                tasks.create_task(source.capture_frame(tone(frequency, 4.0, RATE, 0.2)))
            hearing = [tasks.create_task(hear(client, 2.5)) for client in clients.values()]
        for uid, heard in zip(clients, hearing, strict=True):
            for other, frequency in frequencies.items():
                # Of the second half the better part, on a machine that stumbles.
                levels = [
                    fit_sine(heard.result()[start : start + RATE // 2], frequency, RATE).amplitude
                    for start in (RATE, RATE * 3 // 2, RATE * 2)
                ]
                if other == uid:
                    assert min(levels) / 32768 < 0.01
                else:
                    assert max(levels) / 32768 == pytest.approx(0.2, abs=0.03)
        await clients[1].send({"event": "chat_message", "data": "hello", "id": "1"})
        await clients[1].send({"event": "stream_message", "data": "psst", "msg_id": "2", "to": 3})
        await eventually(lambda: events(clients[3], "stream_message"), "the message")
        assert not events(clients[2], "stream_message")
        late = await join(stack, two[1].accept, uid=4)
        (welcome,) = events(late, "joined")
        assert [user["uid"] for user in welcome["users"]] == [3, 1, 2]
        assert [message["text"] for message in welcome["chat"]] == ["hello"]
        for server in two:
            assert len(server.snapshot().channels[ROOM].members) == 4


def _users(client: Client) -> set[Any]:
    (welcome,) = events(client, "joined")
    joined = {data["uid"] for data in events(client, "user_joined")}
    return {user["uid"] for user in welcome["users"]} | joined
