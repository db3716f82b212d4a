"""A server that runs out of file descriptors and of disk refuses in words, and recovers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from fastrtc_core import UnavailableError
from fastrtc_core.client import Client
from fastrtc_core.testing import tone

from ..webrtc.support import eventually

ROOT = Path(__file__).parents[2]
DESCRIPTORS = 64
ASKING = 40
"""How many clients come: each takes two descriptors and more, for HTTP and for media."""

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file system that is full"),
]


@asynccontextmanager
async def poor_server(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """One whose folder is a disk of 64 KiB that only it can see; yields its URL and its number."""
    command = f"mount -t tmpfs -o size=64k none {folder} && exec {sys.executable}"
    with (folder.parent / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *("unshare", "--mount", "sh", "-c"),
            f"{command} -m tests.stress.poor_server {folder} {DESCRIPTORS}",
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None
        try:
            port = int(await process.stdout.readline())
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            await process.wait()


async def hears_itself(client: Client) -> bool:
    """Whether what a client says comes back."""
    assert client.audio_source is not None
    assert client.audio_stream is not None
    await client.audio_source.capture_frame(tone(440, 1.0))
    async with asyncio.timeout(10):
        return any([(await client.audio_stream.read()).data.any() for _ in range(25)])


def open_files(process: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{process}/fd"))


async def test_without_descriptors_and_disk(tmp_path: Path) -> None:
    """Who finds no room is told why at once, nobody else notices, and all is free in the end."""
    (folder := tmp_path / "recordings").mkdir()
    async with poor_server(folder) as (url, process):
        before = open_files(process)
        async with AsyncExitStack() as stack:
            clients: list[Client] = []
            refusals: list[str] = []
            for _ in range(ASKING):
                try:
                    clients.append(await stack.enter_async_context(Client(url)))
                except UnavailableError as error:
                    refusals.append(str(error))
            assert len(clients) > 10
            assert len(refusals) > 10
            assert all("open files (`ulimit -n`" in reason for reason in refusals), refusals
            assert await hears_itself(clients[0])
            assert await hears_itself(clients[-1])
        await eventually(lambda: open_files(process) <= before, "closed files", within=15)
        async with Client(url) as again:
            assert await hears_itself(again)
    log = (tmp_path / "log").read_text()
    assert "ends early; the session goes on: [Errno 28]" in log
    assert "Traceback" not in log
