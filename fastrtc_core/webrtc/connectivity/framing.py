"""Datagrams over a TCP connection: each with its length before it (RFC 4571 section 2)."""

from __future__ import annotations

from collections import deque

MAX_FRAME = 0xFFFF
"""Bytes of the longest frame that can be announced."""

_HEADER = 2


class FrameTooLongError(ValueError):
    """A frame is announced that is longer than any that is taken."""


def framed(data: bytes) -> bytes:
    """A datagram as it goes over a connection.

    Raises:
        OverflowError: If it has more than 65,535 bytes.
    """
    return len(data).to_bytes(_HEADER) + data


class Deframer:
    """Takes what comes over a connection apart.

    It keeps no more than was received last and one frame: take all frames before it gets more.

    Attributes:
        limit: Bytes of the longest frame that is taken; it may change from one frame to the next.
    """

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._start = 0

    def receive(self, data: bytes | memoryview) -> None:
        """Take what has come."""
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """The next frame; `None` where it has not come as a whole.

        Raises:
            FrameTooLongError: If it is too long. Where the one after it begins is then unknown.
        """
        start = self._start + _HEADER
        if len(self._buffer) < start:
            return None
        size = int.from_bytes(self._buffer[self._start : start])
        if size > self.limit:
            raise FrameTooLongError(f"a frame of {size} bytes; at most {self.limit} are taken")
        if len(self._buffer) < start + size:
            return None
        self._start = start + size
        return bytes(self._buffer[start : start + size])


class Outbox:
    """Frames that wait for a connection that takes them slowly.

    They are datagrams, which may be lost, and are of no use when they are late: those that have
    waited for too long are dropped, and those for which there is no room. One whose beginning was
    written is always written to its end.

    Args:
        most: Bytes that may wait.
        patience: How long in s one may wait.

    Attributes:
        dropped: How many were dropped.
    """

    def __init__(self, most: int, patience: float) -> None:
        self.dropped = 0
        self._most = most
        self._patience = patience
        self._frames: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._begun = 0
        """Bytes of the first frame that were written."""

    def __len__(self) -> int:
        """Bytes that wait."""
        return self._size - self._begun

    def push(self, frame: bytes, now: float, written: int = 0) -> None:
        """Have a frame wait.

        Args:
            frame: With its length before it.
            now: The time in s.
            written: Bytes of it that were written already, where no other waits.
        """
        self.expire(now)
        if self._size + len(frame) > self._most and not written:
            self.dropped += 1
            return
        self._frames.append((now, frame))
        self._size += len(frame)
        self._begun += written

    def expire(self, now: float) -> None:
        """Drop those that have waited for too long."""
        frames = self._frames
        begun = frames.popleft() if self._begun else None
        while frames and frames[0][0] + self._patience < now:
            self._size -= len(frames.popleft()[1])
            self.dropped += 1
        if begun is not None:
            frames.appendleft(begun)

    def peek(self) -> bytes:
        """What is to be written next; empty if nothing waits."""
        return self._frames[0][1][self._begun :] if self._frames else b""

    def wrote(self, count: int) -> None:
        """So many bytes of that were written."""
        if not self._frames:
            return
        self._begun += count
        frame = self._frames[0][1]
        if self._begun >= len(frame):
            self._frames.popleft()
            self._size -= len(frame)
            self._begun = 0
