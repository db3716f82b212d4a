"""What a snapshot says of a session and of a stream."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from typing import Any

import pytest

from fastrtc_core import AdditionalOutputs, Stream
from fastrtc_core.client import Client
from fastrtc_core.testing import connect, tone

from .handlers import Recording


class Held(Recording):
    """Takes nothing until it is let go."""

    go = asyncio.Event()

    async def receive(self, frame: Any) -> None:
        await self.go.wait()

    async def on_message(self, message: Any) -> None:
        await self.go.wait()


@pytest.mark.virtual_clock
async def test_it_counts_what_waits_and_what_is_lost() -> None:
    """In each queue of the session; it ends with nothing that waits or runs."""
    Held.go = asyncio.Event()
    async with connect(Held()) as peer:
        session = peer.session
        await asyncio.sleep(0.1)
        idle = session.snapshot()
        assert (idle.id, idle.transport, idle.state) == ("in-process", "in-process", "running")
        assert idle.close_reason is None
        assert idle.tracks == ("microphone",)
        assert idle.tasks > 0
        assert (set(idle.waiting.values()), set(idle.dropped.values())) == ({0}, {0})
        for number in range(300):
            peer.send(number)
        session.take_message("no JSON")
        session.link.publish(AdditionalOutputs(1))
        session.handler.say(tone(440, 5.0, session.handler.output_sample_rate))
        session.handler.say(tone(440, 5.0, session.handler.output_sample_rate))
        await peer.speak(tone(duration=1.0))
        busy = session.snapshot()
        assert busy.malformed == 1
        assert busy.speaking
        assert busy.dropped["messages"] == 300 - 256
        assert busy.waiting["messages"] == 255, "one is with the handler"
        assert busy.waiting["outputs"] == 1
        assert busy.waiting["speeches"] == 1, "the second"
        assert busy.waiting["audio"] > 0
        assert busy.waiting["audio"] + busy.dropped["audio"] >= 45, "one is with the handler"
        assert json.loads(json.dumps(dataclasses.asdict(busy)))["id"] == "in-process"
        reading = asyncio.ensure_future(anext(session.outputs.subscribe()))
        await asyncio.sleep(0)
        assert session.snapshot().subscribers == 1
        assert (await reading).args == (1,)
        Held.go.set()
    ended = session.snapshot()
    assert (ended.state, ended.close_reason, ended.tasks) == ("closed", "client", 0)


async def test_it_counts_who_comes_and_who_is_there() -> None:
    """By id, from any thread; a draining stream says so."""
    stream = Stream(Recording(), modality="audio", mode="send-receive")
    assert stream.snapshot().sessions == {}
    waiting = asyncio.create_task(stream.wait_for_output_stream("nobody", timeout=0.3))
    await asyncio.sleep(0.05)
    assert stream.snapshot().awaiting == 1
    async with Client(stream.offer) as client:
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(stream.snapshot()))
        thread.start()
        await asyncio.to_thread(thread.join)
        (snapshot,) = seen
        assert list(snapshot.sessions) == [client.webrtc_id]
        session = snapshot.sessions[client.webrtc_id or ""]
        assert session is not None
        assert (session.transport, session.tracks) == ("webrtc", ("microphone",))
        assert not snapshot.draining
        await stream.drain()
        assert stream.snapshot().draining
    assert stream.snapshot().sessions == {}
    await asyncio.gather(waiting, return_exceptions=True)
    assert stream.snapshot().awaiting == 0
