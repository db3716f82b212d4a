"""The demo `meeting_agent`, with somebody who speaks to it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fastrtc_core.client import Client

from ..webrtc.support import eventually
from .conftest import StartDemo, spoken

RATE = 48000


@pytest.mark.soak
async def test_it_writes_down_and_answers_when_it_is_called(start_demo: StartDemo) -> None:
    """A sentence for others is only written down; one that begins with its name is answered."""
    server = start_demo("meeting_agent")
    written: list[str] = []
    people: list[str] = []
    heard: list[np.ndarray[Any, Any]] = []
    async with Client(f"{server.url}/rtc", params={"channel": "lobby", "name": "Ada"}) as client:

        async def read() -> None:
            async for message in client.messages():
                if message.type != "message":
                    continue
                if message.data["event"] == "joined":
                    people.extend(user["name"] for user in message.data["users"])
                if message.data["event"] == "chat_message":
                    written.append(message.data["text"])

        async def listen() -> None:
            assert client.audio_stream is not None
            async for event in client.audio_stream:
                heard.append(event.frame.data[0])

        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(read()), tasks.create_task(listen())]
            await eventually(lambda: people, "the welcome")
            assert people == ["Computer"]
            assert client.audio_source is not None
            await client.audio_source.capture_frame(spoken("turn on the light", RATE))
            await eventually(lambda: written, "the transcript", within=15)
            assert written == ["Ada: turn on the light"]
            await asyncio.sleep(1.5)
            quiet = np.concatenate(heard) if heard else np.zeros(1)
            assert np.abs(quiet).max() < 500, "it was not meant"
            await client.audio_source.capture_frame(spoken("computer, turn off the radio", RATE))
            await eventually(lambda: len(written) == 3, "the answer", within=15)
            assert written[1:] == ["Ada: computer turn off the radio", "The radio is off."]
            await eventually(
                lambda: heard and np.abs(np.concatenate(heard)).max() > 3000, "its voice"
            )
            for task in background:
                task.cancel()
