"""Streams and threads: files, sync handlers, sync callbacks; on real time, which threads share."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from fastrtc_core import CallAbandonedError, ConfigurationError, abandonment
from fastrtc_core.channel import ByteStreamReader, TextStreamInfo, TextStreamReader
from fastrtc_core.messaging.streams.incoming import Incoming
from fastrtc_core.session.session_thread import SessionThread

from ..channel.test_channel import meeting


async def test_a_file_arrives(tmp_path: Path) -> None:
    """With name, type and size; a sync handler reads it on a thread; nobody there is no error."""
    data = bytes(range(256)) * 1500
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    got: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read(reader: ByteStreamReader, uid: int) -> None:
        whole = (reader.info, b"".join(reader), uid)
        loop.call_soon_threadsafe(got.put_nowait, whole)

    async with meeting(1, 2) as (one, two):
        two.register_byte_stream_handler("", read)
        info = await one.send_file(path, to=2)
        assert await got.get() == (info, data, 1)
        assert (info.name, info.mime_type, info.total_size) == (
            "picture.png",
            "image/png",
            len(data),
        )
        with pytest.raises(FileNotFoundError):
            await one.send_file(tmp_path / "none")
        await two.disconnect()
        assert (await one.send_file(path, name="other")).name == "other"
        with pytest.raises(ConfigurationError, match="no other user 2"):
            await one.send_file(path, to=2)


async def test_progress_is_told_on_both_sides() -> None:
    """In bytes, growing, to the end."""
    text = "x" * 100_000
    sent: list[tuple[int, int | None]] = []
    got: list[tuple[int, int | None]] = []

    async def read(reader: TextStreamReader, uid: int) -> None:
        reader.on_progress(lambda *args: got.append(args))
        await reader.read_all()

    async with meeting(1, 2) as (one, two):
        two.register_text_stream_handler("", read)
        await one.send_text(text, progress=lambda *args: sent.append(args))
        for _ in range(1000):
            if sent and got and sent[-1] == got[-1] == (100_000, 100_000):
                break
            await asyncio.sleep(0.01)
        for told in (sent, got):
            assert len(told) > 3
            assert told == sorted(told)
            assert told[-1] == (100_000, 100_000)


@pytest.mark.parametrize("interrupts", [True, False])
async def test_a_sync_reader_ends_with_its_call(
    interrupts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a Python that cannot interrupt it, where it waits for a piece that does not come."""
    if not interrupts:
        monkeypatch.setattr(abandonment, "can_interrupt", lambda: False)
    elif not abandonment.can_interrupt():
        pytest.skip("this Python cannot interrupt code on another thread")
    info = TextStreamInfo(stream_id="silent")
    stream = Incoming(info, asyncio.get_running_loop().time())
    reader = TextStreamReader(stream, lambda chunks: None, lambda call, args: None)
    thread, begun, ended = SessionThread("reader"), threading.Event(), threading.Event()

    def read() -> None:
        begun.set()
        try:
            next(iter(reader))
        except CallAbandonedError:
            ended.set()
            raise

    reading = asyncio.create_task(thread.run(read))
    assert await asyncio.to_thread(begun.wait, 5)
    await asyncio.sleep(0.05)
    reading.cancel()
    thread.close()
    assert await asyncio.to_thread(ended.wait, 5)
    with pytest.raises(asyncio.CancelledError):
        await reading
