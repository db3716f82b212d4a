"""The watch over the TCP connection below a WebSocket; two hosts try it in `tests/network`."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from fastrtc_core import Stream
from fastrtc_core.websocket import vanishing
from fastrtc_core.websocket.vanishing import NOTICED, watch
from fastrtc_handlers import Echo

from ..webrtc.support import eventually, gone, serving
from .support import connected

linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux shows files")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@linux
def test_the_connection_of_a_request_is_found_and_watched() -> None:
    """That one alone, and nothing stays open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with (
            socket.create_connection(server.getsockname()) as client,
            socket.create_connection(server.getsockname()) as other,
            server.accept()[0] as accepted,
            server.accept()[0] as unwatched,
        ):
            files = open_files()
            scope = {"client": client.getsockname(), "server": server.getsockname()}
            assert watch(scope)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            user_timeout = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert user_timeout == 1000 * NOTICED
            for unchanged in (client, other, unwatched):
                assert unchanged.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
            assert open_files() == files
            for missing in ({}, {"client": ("10.0.0.1", 1), "server": server.getsockname()}):
                assert not watch(missing)
            assert open_files() == files


@pytest.mark.parametrize("protocol", ["auto", "websockets-sansio"])
async def test_the_connection_of_uvicorn_needs_no_search(
    monkeypatch: pytest.MonkeyPatch, protocol: Any
) -> None:
    """Its protocol knows it; that of the client is the other end."""
    watched: list[Any] = []
    monkeypatch.setattr(vanishing, "_watch", lambda found: watched.append(found.getpeername()))
    monkeypatch.setattr(vanishing, "_watch_by_address", lambda scope: pytest.fail("it searched"))
    stream = Stream(Echo())
    app = FastAPI()
    stream.mount(app)
    async with serving(app, ws=protocol) as url, connected(url) as client:
        await eventually(lambda: bool(watched), "a connection that is watched")
        assert watched == [client.socket.local_address]
    await gone(stream)


@linux
async def test_many_sessions_leave_no_file_open() -> None:
    """Nor while they last: each has its own socket, and no more."""
    stream = Stream(Echo())
    app = FastAPI()
    stream.mount(app)
    async with serving(app) as url:
        async with connected(url):
            before = open_files()
            async with connected(url):
                each = open_files() - before
            for _ in range(20):
                async with connected(url):
                    pass
        await gone(stream)
        assert each == 2, "one at each end"
        assert open_files() <= before
