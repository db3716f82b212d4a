"""`TextStreamReader` and `ByteStreamReader`: what a handler of streams is given."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, Self, TypeVar, cast

from ...abandonment import wait_for_sync
from ...errors import ConfigurationError, StreamError
from .incoming import Incoming
from .info import ByteStreamInfo, StreamInfo, TextStreamInfo
from .window import IDLE

Piece = TypeVar("Piece", str, bytes)

READ_LIMIT = 64 << 20
"""Bytes that `read_all` holds unless it is told otherwise."""


class StreamReader(Generic[Piece]):
    """An async iterator over the pieces of a stream, as they come.

    The sender goes on as they are read. A sync handler reads with a plain `for`.

    Args:
        stream: What came so far.
        answer: Tells the sender how many chunks were read.
        call: Runs a callback of the application.
    """

    def __init__(
        self,
        stream: Incoming,
        answer: Callable[[int], None],
        call: Callable[[Callable[..., Any], tuple[Any, ...]], None],
    ) -> None:
        self._stream = stream
        self._answer = answer
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._progress: Callable[..., Any] | None = None

    @property
    @abstractmethod
    def info(self) -> StreamInfo:
        """What was said of the stream before its content."""

    def on_progress(self, callback: Callable[[int, int | None], Any]) -> None:
        """Have a function called as it is read, with the bytes so far and the total size."""
        self._progress = callback

    def __aiter__(self) -> Self:
        """Iterate over the pieces."""
        return self

    async def __anext__(self) -> Piece:
        """The next piece.

        Raises:
            StreamError: If the sender gave up or left, said nothing for 30 s, or broke the rules.
            StopAsyncIteration: At the end.
        """
        piece = await self._next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    def __iter__(self) -> Iterator[Piece]:
        """Iterate on a thread, as sync handlers do.

        Raises:
            ConfigurationError: On the thread of the event loop, which it would hold up.
        """
        try:
            on_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            on_loop = False
        if on_loop:
            raise ConfigurationError("read it with `async for` on the event loop")
        while (piece := wait_for_sync(self._next(), self._loop)) is not None:
            yield piece

    def notice(self) -> None:
        """Something has come, or nothing will."""
        self._news.set()

    async def _next(self) -> Piece | None:
        stream = self._stream
        while True:
            piece = cast("Piece | None", stream.read(self._loop.time()))
            if (chunks := stream.acknowledge(self._loop.time())) is not None:
                self._answer(chunks)
            if piece:
                if self._progress is not None:
                    self._call(self._progress, (stream.received, stream.info.total_size))
                return piece
            if piece is not None:
                continue  # an empty one: the sender is still there
            if stream.error is not None:
                raise StreamError(str(stream.error))
            if stream.ended:
                return None
            await self._wait()

    async def _wait(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout_at(self._stream.deadline):
                await self._news.wait()
        except TimeoutError:
            if self._loop.time() >= self._stream.deadline:
                self._stream.fail(f"nothing came for {IDLE:g} s")

    async def _collect(self, limit: int) -> list[Piece]:
        before, pieces = self._stream.received, []
        while (piece := await self._next()) is not None:
            pieces.append(piece)
            if self._stream.received - before > limit:
                raise StreamError(f"the stream is longer than {limit} bytes: iterate over it")
        return pieces


class TextStreamReader(StreamReader[str]):
    """Reads a stream of text."""

    @property
    def info(self) -> TextStreamInfo:
        """What was said of the stream before its content."""
        return cast(TextStreamInfo, self._stream.info)

    async def read_all(self, *, limit: int = READ_LIMIT) -> str:
        """Everything that is still to be read.

        Args:
            limit: How many bytes it may be.

        Raises:
            StreamError: As by iteration, or if it is more.
        """
        return "".join(await self._collect(limit))


class ByteStreamReader(StreamReader[bytes]):
    """Reads a stream of bytes."""

    @property
    def info(self) -> ByteStreamInfo:
        """What was said of the stream before its content."""
        return cast(ByteStreamInfo, self._stream.info)

    async def read_all(self, *, limit: int = READ_LIMIT) -> bytes:
        """Everything that is still to be read.

        Args:
            limit: How many bytes it may be.

        Raises:
            StreamError: As by iteration, or if it is more.
        """
        return b"".join(await self._collect(limit))
