"""What the processes of one machine say to the one of them that serves their bus.

    length (32 bits) | kind (8 bits) | body

A process asks with `SUBSCRIBE`, `CLAIM`, `RELEASE` or `PING`, and is answered `YES` or `NO`, in the
order in which it asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Iterator
from enum import IntEnum

from ...errors import BusError
from .interface import ID_SIZE
from .memory import Claims

logger = logging.getLogger(__name__)

MAX_BODY = 64 << 20
"""Bytes of the largest frame that is read."""

MAX_UNREAD = 16 << 20
"""Bytes that may wait for a process that reads slowly; what is published then is not for it."""

_HEADER = struct.Struct("!IB")
_TOPIC = struct.Struct("!I")
_CLAIM = struct.Struct("!d")
_CREDENTIALS = struct.Struct("3i")


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 0
    SUBSCRIBE = 1
    UNSUBSCRIBE = 2
    PUBLISH = 3
    CLAIM = 4
    RELEASE = 5
    PING = 6
    YES = 7
    NO = 8


def pack(kind: Kind, body: bytes = b"") -> bytes:
    """A frame, as bytes."""
    return _HEADER.pack(len(body), kind) + body


def pack_message(topic: bytes, data: bytes) -> bytes:
    """A message, as a frame."""
    return pack(Kind.PUBLISH, _TOPIC.pack(len(topic)) + topic + data)


def read_message(body: bytes) -> tuple[bytes, bytes]:
    """Topic and data of a message."""
    (size,) = _TOPIC.unpack_from(body)
    start = _TOPIC.size + size
    return body[_TOPIC.size : start], body[start:]


def pack_claim(key: bytes, ttl: float) -> bytes:
    """A claim for so many s, as a frame."""
    return pack(Kind.CLAIM, _CLAIM.pack(ttl) + key)


async def read_frame(reader: asyncio.StreamReader) -> tuple[Kind, bytes]:
    """The next frame.

    Raises:
        BusError: If the connection is lost, or what comes is no frame.
    """
    try:
        size, kind = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if size > MAX_BODY:
            raise BusError(f"a frame has {size} bytes")
        return Kind(kind), await reader.readexactly(size)
    except (OSError, EOFError):
        raise BusError("the process that serves the bus is gone") from None
    except ValueError as error:
        raise BusError(f"what came is no frame: {error}") from None


def is_own(sock: socket.socket) -> bool:
    """Whether at the other end there is a process of the same user."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    return bool(uid == os.getuid())


class LocalHub:
    """Serves a bus to the processes of this machine, this one included.

    Attributes:
        dropped: Messages that were not for a process, as it reads too slowly.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._slow: set[asyncio.StreamWriter] = set()
        self._claims = Claims()
        self._topics: dict[bytes, dict[asyncio.StreamWriter, None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def start(self, sock: socket.socket) -> None:
        """Serve on a socket that is bound, until `aclose`."""
        self._server = await asyncio.start_unix_server(self._welcome, sock=sock)

    async def aclose(self) -> None:
        """Stop; what was sent still leaves."""
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="bus-serve")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own: set[bytes] = set()
        try:
            if not is_own(writer.get_extra_info("socket")):
                raise BusError("a process of another user wants to join the bus")
            kind, id = await read_frame(reader)
            if kind is not Kind.HELLO or len(id) != ID_SIZE:
                raise BusError("a process joins without a word")
            while True:
                self._take(id, own, writer, *await read_frame(reader))
        except (BusError, struct.error) as error:
            logger.debug("A process has left the bus: %s", error)
        finally:
            for topic in own:
                self._leave(topic, writer)
            self._slow.discard(writer)
            writer.close()

    def _take(
        self,
        id: bytes,
        own: set[bytes],
        writer: asyncio.StreamWriter,
        kind: Kind,
        body: bytes,
    ) -> None:
        answer = Kind.YES
        match kind:
            case Kind.PUBLISH:
                self._publish(writer, body)
                return
            case Kind.UNSUBSCRIBE:
                own.discard(body)
                self._leave(body, writer)
                return
            case Kind.RELEASE:
                self._claims.release(_text(body), id)
            case Kind.SUBSCRIBE:
                own.add(body)
                self._topics.setdefault(body, {})[writer] = None
            case Kind.CLAIM:
                (ttl,) = _CLAIM.unpack_from(body)
                key, now = _text(body[_CLAIM.size :]), asyncio.get_running_loop().time()
                answer = Kind.YES if self._claims.claim(key, id, ttl, now) else Kind.NO
            case Kind.PING:
                pass
            case _:
                raise BusError(f"nobody asks {kind.name}")
        writer.write(pack(answer))

    def _publish(self, origin: asyncio.StreamWriter, body: bytes) -> None:
        topic, _ = read_message(body)
        frame = pack(Kind.PUBLISH, body)
        for writer in tuple(self._topics.get(topic, ())):
            if writer is origin:
                continue
            if writer.transport.get_write_buffer_size() < MAX_UNREAD:
                writer.write(frame)
                continue
            self.dropped += 1
            if writer not in self._slow:
                self._slow.add(writer)
                logger.warning("A process reads the bus too slowly: what is published is dropped")

    def _leave(self, topic: bytes, writer: asyncio.StreamWriter) -> None:
        readers = self._topics.get(topic, {})
        readers.pop(writer, None)
        if not readers:
            self._topics.pop(topic, None)


def _text(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")


@contextlib.contextmanager
def closed_on_error(sock: socket.socket) -> Iterator[socket.socket]:
    """Close a socket if what is done with it fails."""
    try:
        yield sock
    except BaseException:
        sock.close()
        raise
