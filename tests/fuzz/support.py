"""Sessions over WebSockets without a network, and what is to be left of them: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from fastrtc_core import AudioFrame, ChannelClosedError, Stream

from ..webrtc.support import Silent, app_of, eventually


class Listening(Silent):
    """Sends every frame, message and key back."""

    async def receive(self, frame: AudioFrame) -> None:
        assert frame.data.ndim == 2
        self.to_emit.put_nowait(frame)

    async def on_message(self, message: Any) -> None:
        self.messages.append(message)
        with contextlib.suppress(ChannelClosedError):  # it may be gone by now
            await self.send_message(message)

    async def on_dtmf(self, digit: str) -> None:
        self.messages.append(digit)


class Visit:
    """What came of one WebSocket.

    Attributes:
        sent: What the client was told.
        code: With which code the server closed; `None` if the client was faster.
        handler: The prototype, with the copies that were made.
    """

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.code: int | None = None
        self.handler = Listening(input_sample_rate=24000, output_sample_rate=24000)

    def refusal(self) -> str:
        """The code of the refusal, which must be all that the client was told."""
        (text,) = self.sent
        body = json.loads(text)
        assert body["status"] == "failed"
        assert 0 < len(body["meta"]["message"]) < 500
        assert self.code == 1008
        assert not self.handler.copies, "a handler was copied for a stranger"
        error: str = body["meta"]["error"]
        return error


def visit(path: str, messages: Sequence[str | bytes]) -> Visit:
    """Say all of this over a WebSocket, and go; fails if anything of it is left."""
    result = Visit()
    stream = Stream(result.handler, concurrency_limit=1)
    threads = threading.active_count()
    asyncio.run(_visit(app_of(stream), path, list(messages), result))
    no_more_threads_than(threads)
    assert stream.sessions == 0, "a slot is left"
    for copy in result.handler.copies:
        assert (copy.calls[:1], copy.calls[-1:]) == (["start_up"], ["shutdown"])
    return result


def no_more_threads_than(count: int) -> None:
    """Wait until the threads of a session, which were told to end, have ended."""
    deadline = time.monotonic() + 2
    while threading.active_count() > count:
        assert time.monotonic() < deadline, "a thread is left"
        time.sleep(0.001)


def brief(error: Exception, most: int = 200) -> str:
    """The text of an error, which says something, but does not repeat what a stranger sent."""
    text = str(error)
    assert 0 < len(text) < most
    return text


async def _visit(app: Any, path: str, messages: list[str | bytes], result: Visit) -> None:
    events: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    for message in messages:
        kind = "text" if isinstance(message, str) else "bytes"
        events.append({"type": "websocket.receive", kind: message})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        if result.code is not None or not events:
            return {"type": "websocket.disconnect", "code": 1000, "reason": "bye"}
        return events.pop(0)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            text = message.get("text")
            if text is not None:
                text.encode()  # what is no UTF-8 cannot be sent
            result.sent.append(message["bytes"] if text is None else text)
        elif message["type"] == "websocket.close":
            assert len((message.get("reason") or "").encode()) <= 123, "RFC 6455 section 5.5"
            result.code = message["code"]

    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
    }
    await app(scope, receive, send)
    await no_tasks_left()


async def no_tasks_left() -> None:
    """Wait until the tasks of a session, which were told to end, have ended."""
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "the end", 3)
