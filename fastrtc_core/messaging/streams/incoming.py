"""`Incoming`: a stream as it comes in, checked and held until it is read. No I/O, no clock."""

from __future__ import annotations

from collections import deque

from ...errors import MessageError, StreamError
from .info import ByteStreamInfo, StreamInfo
from .packets import Chunk, Trailer, decode_bytes
from .window import IDLE, WINDOW, cost

ACK_AFTER = WINDOW // 8
ACK_INTERVAL = 1.0
"""Bytes that are read before it is told, while there are more; and s, for who reads slowly."""


class Incoming:
    """One stream of one sender; it holds a window of it at most.

    Args:
        info: What its header said.
        now: The time, by any clock that does not go back, in s.

    Attributes:
        info: As above.
        received: Bytes that were read.
        ended: Whether its end has come, so that nothing follows but what is held.
        error: Why it will never be whole.
    """

    def __init__(self, info: StreamInfo, now: float) -> None:
        self.info = info
        self.received = 0
        self.ended = False
        self.error: StreamError | None = None
        self._held: deque[tuple[str | bytes, int]] = deque()
        self._used = 0
        self._arrived = self._arrived_chunks = 0
        self._read_chunks = self._owed = 0
        self._latest = self._answered = now

    @property
    def drained(self) -> bool:
        """Whether it is whole, and was read."""
        return self.ended and not self._held

    @property
    def open(self) -> bool:
        """Whether more may come."""
        return not self.ended and self.error is None

    @property
    def deadline(self) -> float:
        """When it has been silent for too long."""
        return self._latest + IDLE

    def take_chunk(self, chunk: Chunk, now: float) -> None:
        """Take the next chunk.

        Raises:
            StreamError: If it is not the next one, or more than was announced or asked for. The
                stream has failed then.
        """
        content, size = self._content(chunk)
        if chunk.number != self._arrived_chunks:
            raise self.fail(f"chunk {chunk.number} came, not {self._arrived_chunks}")
        if self._held and self._used + cost(size) > WINDOW:
            raise self.fail("more was sent than the window allows")
        total = self.info.total_size
        if total is not None and self._arrived + size > total:
            raise self.fail(f"more came than the {total} bytes that were announced")
        self._held.append((content, size))
        self._used += cost(size)
        self._arrived += size
        self._arrived_chunks += 1
        self._latest = now

    def take_trailer(self, trailer: Trailer) -> None:
        """Take the end.

        Raises:
            StreamError: If something is missing. The stream has failed then.
        """
        total = self.info.total_size
        if trailer.reason:
            self.fail(f"the sender has ended it: {trailer.reason}")
        elif total is not None and self._arrived != total:
            raise self.fail(f"{self._arrived} bytes came, and {total} were announced")
        else:
            self.ended = True

    def read(self, now: float) -> str | bytes | None:
        """The next piece, or `None` if none is held."""
        if not self._held:
            return None
        content, size = self._held.popleft()
        self._used -= cost(size)
        self._read_chunks += 1
        self._owed += cost(size)
        self.received += size
        self._latest = now
        return content

    def acknowledge(self, now: float) -> int | None:
        """How many chunks to acknowledge, if it is time to: not after each of many small ones."""
        late = now - self._answered >= ACK_INTERVAL
        if not self._owed or (self._held and self._owed < ACK_AFTER and not late):
            return None
        self._owed = 0
        self._answered = now
        return self._read_chunks

    def fail(self, reason: str) -> StreamError:
        """Nothing more comes; what is held can still be read. Returns the error."""
        if self.open:
            self.error = StreamError(reason)
        return StreamError(reason)

    def _content(self, chunk: Chunk) -> tuple[str | bytes, int]:
        if not isinstance(self.info, ByteStreamInfo):
            return chunk.content, len(chunk.content.encode())
        try:
            content = decode_bytes(chunk.content)
        except MessageError as error:
            raise self.fail(str(error)) from None
        return content, len(content)
