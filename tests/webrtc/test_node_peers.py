"""Clients on WebRTC stacks of others, in a process of Node: libdatachannel and werift."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core import Stream
from fastrtc_core.testing import tone

from .support import Silent, app_of, eventually, gone, serving

PEERS = Path(__file__).with_name("node")

pytestmark = [
    pytest.mark.real_time,  # the client is a process
    pytest.mark.soak,
    pytest.mark.skipif(
        shutil.which("node") is None or not (PEERS / "node_modules" / ".stamp").exists(),
        reason="Node or its packages are not installed; scripts/test installs the packages",
    ),
]


class Answering(Silent):
    """Plays a tone, and sends messages back."""

    async def start_up(self) -> None:
        await super().start_up()
        self.to_emit.put_nowait(tone(440, 20.0, 48000))

    async def on_message(self, message: Any) -> None:
        await super().on_message(message)
        await self.send_message(message)


async def told_by(peer: str, url: str) -> dict[str, Any]:
    """What a peer tells in the end."""
    process = await asyncio.create_subprocess_exec(
        *("node", str(PEERS / peer), url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode() + output.decode()
    told: dict[str, Any] = json.loads(output.decode().splitlines()[-1])
    return told


async def ended(stream: Stream) -> None:
    """End the session of a process that is gone, sooner than it is noticed."""
    for id in stream.snapshot().sessions:
        stream.close(str(id))
    await gone(stream)


@pytest.mark.parametrize("udp_port", [0, None])
async def test_libdatachannel(udp_port: int | None) -> None:
    """Sound and messages both ways, on the shared port and on ports of its own."""
    handler = Answering(output_sample_rate=48000)
    stream = Stream(handler, udp_port=udp_port)
    async with serving(app_of(stream)) as url:
        told = await told_by("datachannel.mjs", url)
        assert told["data"] == "from libdatachannel"
        assert handler.only.messages == ["from libdatachannel"]
        await eventually(lambda: len(handler.only.frames) > 10, "sound")
        await ended(stream)


async def test_werift() -> None:
    """The same, and ICE is restarted under it: one session, one handler."""
    handler = Answering(output_sample_rate=48000)
    stream = Stream(handler, udp_port=0)
    async with serving(app_of(stream)) as url:
        told = await told_by("werift.mjs", url)
        assert told["restarted"]
        assert told["same"]
        assert handler.only.messages == ["from werift", "after the restart"]
        await eventually(lambda: len(handler.only.frames) > 50)
        await ended(stream)
