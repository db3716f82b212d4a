"""`Streams`: all streams of one member, both ways."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple, TypeVar

from ...errors import ConfigurationError, MessageError, StreamError
from ...session.calls import call_once
from .incoming import Incoming
from .info import ByteStreamInfo, StreamInfo
from .packets import Ack, Chunk, Header, Refusal, Trailer, decode, encode
from .reader import ByteStreamReader, StreamReader, TextStreamReader
from .window import OPEN, PER_SENDER
from .writer import StreamWriter

logger = logging.getLogger(__name__)

StreamHandler = Callable[[Any, int], Any]
"""Takes the reader of a stream and the uid of its sender."""

Writer = TypeVar("Writer", bound=StreamWriter[Any])


class DataStreamStatistics(NamedTuple):
    """What became of streams.

    Attributes:
        sending: Streams that are being sent.
        receiving: Streams whose handler runs.
        refused: Streams that came and were not taken, or not to their end.
        malformed: Packets that could not be read, or that nobody asked for.
    """

    sending: int
    receiving: int
    refused: int
    malformed: int


class _Reading(NamedTuple):
    stream: Incoming
    reader: StreamReader[Any]


class Streams:
    """The streams of one member.

    Args:
        send: Sends a packet to a user; raises `StreamError` if it cannot.
        own: Runs a coroutine in a task that somebody owns.
        call: Runs a callback of the application.
    """

    def __init__(
        self,
        send: Callable[[int, str], None],
        own: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        call: Callable[[Callable[..., Any], tuple[Any, ...]], None],
    ) -> None:
        self._send = send
        self._own = own
        self._call = call
        self._handlers: dict[tuple[str, str], StreamHandler] = {}
        self._writers: dict[str, StreamWriter[Any]] = {}
        self._slots = asyncio.Semaphore(PER_SENDER)
        self._readings: dict[tuple[int, str], _Reading] = {}
        self._refused = self._malformed = 0
        self._closed = False

    def statistics(self) -> DataStreamStatistics:
        """What became of streams so far."""
        return DataStreamStatistics(
            len(self._writers), len(self._readings), self._refused, self._malformed
        )

    def register(self, kind: str, topic: str, handler: StreamHandler) -> None:
        """Have streams of a kind and topic taken.

        Raises:
            ConfigurationError: If they are already.
        """
        if (kind, topic) in self._handlers:
            raise ConfigurationError(f"there is a handler for the topic {topic!r} already")
        self._handlers[kind, topic] = handler

    def unregister(self, kind: str, topic: str) -> None:
        """Take them no longer; idempotent."""
        self._handlers.pop((kind, topic), None)

    async def begin(
        self,
        writer: type[Writer],
        info: StreamInfo,
        receivers: Iterable[int],
        *,
        timeout: float,
        progress: Callable[[int, int | None], Any] | None,
    ) -> Writer:
        """Begin to send a stream; waits while as many as one receiver takes are being sent.

        Raises:
            ConfigurationError: If what is said of it is too long.
            StreamError: If the channel is left.
        """
        encode(Header(info.stream_id, info))
        await self._slots.acquire()
        try:
            if self._closed:
                raise StreamError("the channel was left")
            begun = writer(
                info,
                receivers,
                timeout,
                self._send,
                lambda *args: None if progress is None else self._call(progress, args),
                lambda: self._end(info.stream_id),
            )
        except BaseException:
            self._slots.release()
            raise
        self._writers[info.stream_id] = begun
        begun.begin()
        return begun

    def take(self, sender: int, text: str) -> None:
        """Take a packet; what cannot be read is dropped and counted."""
        try:
            packet = decode(text)
            if isinstance(packet, Header):
                self._take_header(sender, packet)
            elif isinstance(packet, Chunk | Trailer):
                self._take_content(sender, packet)
            elif (writer := self._writers.get(packet.stream)) is not None:
                writer.take(sender, packet)
        except MessageError as error:
            self._malformed += 1
            logger.debug("a packet of a stream of user %d is dropped: %s", sender, error)

    def forget(self, uid: int) -> None:
        """A user has left: nothing comes from it, and nothing goes to it."""
        for writer in tuple(self._writers.values()):
            writer.forget(uid)
        for (sender, _), (stream, reader) in tuple(self._readings.items()):
            if sender == uid:
                stream.fail(f"user {uid} has left")
                reader.notice()

    def close(self) -> None:
        """Nothing comes or goes any longer."""
        self._closed = True
        for writer in tuple(self._writers.values()):
            writer.fail("the channel was left")
        for stream, reader in self._readings.values():
            stream.fail("the channel was left")
            reader.notice()

    # Receiving

    def _take_header(self, sender: int, header: Header) -> None:
        key = (sender, header.stream)
        if key in self._readings:
            raise MessageError("a stream begins once")
        kind = "bytes" if isinstance(header.info, ByteStreamInfo) else "text"
        handler = self._handlers.get((kind, header.info.topic))
        own = [stream for (uid, _), (stream, _) in self._readings.items() if uid == sender]
        unread = sum(not stream.drained for stream in own)
        # Whoever has none may have one, so that no sender keeps another from it.
        full = bool(own) and len(self._readings) >= OPEN
        if handler is None:
            self._refuse(*key, f"nobody takes {kind} of the topic {header.info.topic[:64]!r}")
        elif full or unread >= PER_SENDER:
            self._refuse(*key, "too many streams at once")
        else:
            stream = Incoming(header.info, asyncio.get_running_loop().time())
            reader_type = ByteStreamReader if kind == "bytes" else TextStreamReader
            reader: StreamReader[Any] = reader_type(
                stream, lambda chunks: self._acknowledge(key, chunks), self._call
            )
            self._readings[key] = _Reading(stream, reader)
            self._own(self._handle(handler, key))

    def _take_content(self, sender: int, packet: Chunk | Trailer) -> None:
        key = (sender, packet.stream)
        if key not in self._readings:
            if isinstance(packet, Chunk):
                self._answer(sender, Refusal(packet.stream, "no such stream is open"))
            return
        stream, reader = self._readings[key]
        if stream.ended:
            raise MessageError("the stream has ended")
        if not stream.open:
            return  # on its way before the sender knew
        try:
            if isinstance(packet, Chunk):
                stream.take_chunk(packet, asyncio.get_running_loop().time())
            else:
                stream.take_trailer(packet)
        except StreamError as error:
            self._refuse(*key, str(error))
        reader.notice()

    async def _handle(self, handler: StreamHandler, key: tuple[int, str]) -> None:
        """The life of a reader: until its handler is done."""
        stream, reader = self._readings[key]
        reason = "its handler has ended"
        try:
            await call_once(handler, "stream", reader, key[0])
        except StreamError as error:
            logger.info("a stream of user %d was not read: %s", key[0], error)
            reason = str(error)
        except Exception:
            logger.exception("the handler of a stream of user %d failed", key[0])
            reason = "its handler has failed"
        finally:
            del self._readings[key]
            if not stream.drained and stream.error is None:
                self._refuse(*key, reason)
            stream.fail(reason)
            reader.notice()

    def _acknowledge(self, key: tuple[int, str], chunks: int) -> None:
        self._answer(key[0], Ack(key[1], chunks))

    def _refuse(self, sender: int, stream: str, reason: str) -> None:
        self._refused += 1
        self._answer(sender, Refusal(stream, reason))

    def _answer(self, uid: int, answer: Ack | Refusal) -> None:
        try:
            self._send(uid, encode(answer))
        except StreamError as error:
            logger.debug("a sender was not answered: %s", error)

    # Sending

    def _end(self, stream: str) -> None:
        del self._writers[stream]
        self._slots.release()


def new_stream() -> dict[str, Any]:
    """The id and the time of a stream that begins."""
    return {"stream_id": secrets.token_hex(8), "timestamp": int(time.time() * 1000)}
