"""Rule 11: a peer that vanishes is noticed within 5 s, and gone within 6 s."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from fastrtc_core import CloseReason, Context, Stream

from ..inside import connection_of, peers_of
from .support import Silent, app_of, eventually, serving
from .test_strangers import ALERT, ports_of, stranger

CLIENT = Path(__file__).with_name("vanishing_client.py")


class Server:
    """A stream that notes when each of its sessions ended, and why."""

    def __init__(self) -> None:
        self.handler = Silent()
        self.ended: dict[str, tuple[float, CloseReason]] = {}
        self.stream = Stream(self.handler, on_disconnect=self.note)

    async def note(self, reason: CloseReason, context: Context) -> None:
        self.ended[context.webrtc_id] = (asyncio.get_running_loop().time(), reason)


async def shout(stream: Stream) -> None:
    """Send junk to the ports of all sessions: a stranger's packets are no sign of life."""
    peers = [connection_of(peer) for peer in peers_of(stream).values()]
    ports = [port for pc in peers for port in ports_of(pc.localDescription.sdp)]
    with stranger() as sock:
        while True:
            for port in ports:
                sock.sendto(b"\x80" * 40, port)
                sock.sendto(ALERT, port)
            await asyncio.sleep(0.3)


async def start(url: str, modality: str, id: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), url, modality, id, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"connected\n"
    return process


@pytest.mark.soak
@pytest.mark.real_time  # the clients are processes
async def test_a_client_that_is_killed_is_noticed_and_a_frozen_one_survives() -> None:
    """Killed in the middle of a call, killed while idle, frozen for good, frozen for 2 s, idle."""
    server = Server()
    loop = asyncio.get_running_loop()
    async with serving(app_of(server.stream)) as url:
        kinds = {
            "talking-killed": "audio",
            "idle-killed": "text",
            "frozen": "audio",
            "frozen-briefly": "audio",
            "idle": "text",
        }
        clients = dict(
            zip(
                kinds,
                await asyncio.gather(*(start(url, m, id) for id, m in kinds.items())),
                strict=True,
            )
        )
        shouting: asyncio.Task[None] | None = None
        try:
            await eventually(lambda: server.stream.sessions == 5)
            await asyncio.sleep(1)
            clients["talking-killed"].kill()
            clients["idle-killed"].kill()
            clients["frozen"].send_signal(signal.SIGSTOP)
            clients["frozen-briefly"].send_signal(signal.SIGSTOP)
            vanished = loop.time()
            shouting = asyncio.create_task(shout(server.stream))
            await asyncio.sleep(2)
            clients["frozen-briefly"].send_signal(signal.SIGCONT)
            await eventually(lambda: server.stream.sessions == 2, "three free slots", within=8)
            assert loop.time() - vanished < 6
            for id in ("talking-killed", "idle-killed", "frozen"):
                when, reason = server.ended[id]
                print(f"{id}: its handler was shut down after {when - vanished:.2f} s")
                assert when - vanished < 6
                assert reason is CloseReason.LOST
            # Eight seconds in all of a session in which nobody says anything.
            await asyncio.sleep(max(0.0, vanished + 7 - loop.time()))
            assert server.stream.sessions == 2
        finally:
            if shouting is not None:
                shouting.cancel()
            for process in clients.values():
                if process.returncode is None:
                    process.kill()
                await process.wait()
        await eventually(lambda: server.stream.sessions == 0, within=8)
    calls = [copy.calls for copy in server.handler.copies]
    assert all(c.count("start_up") == c.count("shutdown") == 1 for c in calls)
