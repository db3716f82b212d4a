"""`TextStreamWriter` and `ByteStreamWriter`: what a sender writes its stream to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, cast

from ...errors import ConfigurationError, StreamError
from .info import ByteStreamInfo, StreamInfo, TextStreamInfo
from .outgoing import OutgoingStream
from .packets import Ack, Chunk, Header, Refusal, Trailer, cut, encode, size_of
from .reader import Piece


class StreamWriter(Generic[Piece]):
    """Sends a stream, no faster than the slowest of its receivers reads.

    Use it as `async with`, or end it with `aclose`.

    Args:
        info: What is said of it.
        receivers: The uids of those who get it.
        timeout: How long in s one of them may acknowledge nothing.
        send: Sends a packet to one; raises `StreamError` if it cannot.
        report: Told of progress: bytes that all have read, and the total size.
        done: Called when it is over.
    """

    def __init__(
        self,
        info: StreamInfo,
        receivers: Iterable[int],
        timeout: float,
        send: Callable[[int, str], None],
        report: Callable[[int, int | None], None],
        done: Callable[[], None],
    ) -> None:
        self._info = info
        self._outgoing = OutgoingStream(receivers, timeout)
        self._into_the_blue = not self._outgoing.receivers
        self._send = send
        self._report = report
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._written = self._chunks = self._reported = 0
        self._error = ""
        self._closed = False
        """Whether nothing more can be written."""
        self._over = False
        """Whether nothing more is waited for, either."""
        self._failed = False

    async def write(self, content: Piece) -> None:
        """Send a piece; waits while a window of it was not read.

        An empty piece says that more will come: readers give up after 30 s without a word.

        Raises:
            StreamError: If nobody receives it any longer, or it was closed.
            ConfigurationError: If it is more than the total size.
        """
        kind = bytes if isinstance(self._info, ByteStreamInfo) else str
        given: Any = content
        if not isinstance(given, kind):
            raise ConfigurationError(f"write {kind.__name__}, not {type(given).__name__}")
        async with self._turn:
            self._check()
            size = size_of(content)
            total = self._info.total_size
            if total is not None and self._written + size > total:
                raise ConfigurationError(f"more than the total size of {total} bytes was written")
            if self._into_the_blue:
                self._written += size
                return
            for piece, part in cut(content):
                await self._until(partial(self._outgoing.has_room, part))
                self._check()
                self._outgoing.send(part, self._loop.time())
                self._post(encode(Chunk(self._info.stream_id, self._chunks, piece)))
                self._chunks += 1
                self._written += part

    async def aclose(self, *, reason: str = "") -> None:
        """End the stream, and wait until it was read; idempotent.

        Args:
            reason: Why it ends before its time: readers get it as an error, and it waits for none.

        Raises:
            StreamError: If nobody has read it to its end, or less than the total size was written.
        """
        if reason:
            self.abort(reason)
            return
        if self._failed:
            raise StreamError(self._error)
        if self._closed:
            return
        try:
            async with self._turn:
                total = self._info.total_size
                if total is not None and self._written < total:
                    raise StreamError(f"{self._written} bytes were written, not {total}")
                self._check()
                self._closed = True
                self._outgoing.finished = True
                self._post(encode(Trailer(self._info.stream_id, "")))
                await self._until(lambda: self._outgoing.settled)
                self._check_receivers()
        finally:
            if self._closed:
                self._finish()
            else:
                self.abort("the sender has failed")

    async def __aenter__(self) -> Self:
        """Write to it."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; before its time, if something has failed."""
        await self.aclose(reason="" if exc_type is None else "the sender has failed")

    # What the service calls

    def begin(self) -> None:
        """Say that it begins."""
        self._post(encode(Header(self._info.stream_id, self._info)))

    def abort(self, reason: str) -> None:
        """End it before its time, at once; idempotent."""
        if self._over:
            return
        self._error = self._error or f"the stream was ended: {reason}"
        if not self._closed:
            self._closed = True
            self._post(encode(Trailer(self._info.stream_id, reason)))
        self._finish()

    def fail(self, reason: str) -> None:
        """It can be sent no longer; idempotent."""
        if self._over:
            return
        self._failed = True
        self._error = reason
        self.abort(reason)

    def take(self, sender: int, answer: Ack | Refusal) -> None:
        """Take what a receiver says.

        Raises:
            MessageError: If it was not sent the stream, or not as much.
        """
        if isinstance(answer, Refusal):
            self._outgoing.refuse(sender, answer.reason)
        elif not self._outgoing.acknowledge(sender, answer.chunks, self._loop.time()):
            return
        self._notice()

    def forget(self, uid: int) -> None:
        """A user has left."""
        if self._outgoing.drop(uid, "has left"):
            self._notice()

    @property
    def dropped(self) -> dict[int, str]:
        """Who does not receive any longer, and why."""
        return self._outgoing.dropped

    # Within

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._news.set()
            self._done()

    def _post(self, text: str) -> None:
        for uid in self._outgoing.receivers:
            try:
                self._send(uid, text)
            except StreamError as error:
                self._outgoing.drop(uid, str(error))
                self._notice()

    def _notice(self) -> None:
        if self._outgoing.acknowledged > self._reported:
            self._reported = self._outgoing.acknowledged
            self._report(self._reported, self._info.total_size)
        self._news.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, or it has failed; who is silent for too long is let go."""
        while True:
            if self._outgoing.expire(self._loop.time()):
                self._notice()
            if self._error or holds() or self._outgoing.deserted:
                return
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._outgoing.deadline):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _check(self) -> None:
        if self._closed and not self._error:
            raise StreamError("the stream was closed")
        self._check_receivers()

    def _check_receivers(self) -> None:
        if self._error:
            raise StreamError(self._error)
        if not self._into_the_blue and self._outgoing.deserted:
            why = "; ".join(f"user {uid}: {reason}" for uid, reason in self.dropped.items())
            raise StreamError(f"nobody receives the stream: {why[:500]}")


class TextStreamWriter(StreamWriter[str]):
    """Sends a stream of text."""

    @property
    def info(self) -> TextStreamInfo:
        """What is said of it."""
        return cast(TextStreamInfo, self._info)


class ByteStreamWriter(StreamWriter[bytes]):
    """Sends a stream of bytes."""

    @property
    def info(self) -> ByteStreamInfo:
        """What is said of it."""
        return cast(ByteStreamInfo, self._info)
