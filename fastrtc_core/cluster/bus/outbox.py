"""`Outbox`: the bounded queue of what is to be published."""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MAX_MESSAGES = 2048
"""Messages that wait: 20 ms frames of 40 speakers for a second."""

MAX_BYTES = 8 * 1024 * 1024
"""Bytes of the messages that wait."""


class Message(NamedTuple, Generic[T]):
    """Something to publish."""

    topic: T
    data: bytes


class Outbox(Generic[T]):
    """Messages on their way out, in order; when there are too many, the oldest go.

    Every message that is offered is at any time waiting, in flight, sent, or dropped.

    Args:
        max_messages: As many may wait.
        max_bytes: As many bytes of data may wait.

    Attributes:
        sent: Messages that have left.
        dropped: Messages that have not, and will not.
        in_flight: Messages that were taken and not settled.
    """

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.sent = self.dropped = self.in_flight = 0
        self._waiting: deque[Message[T]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def refuse(self) -> None:
        """Count a message that is not even queued."""
        self.dropped += 1

    def push(self, message: Message[T]) -> bool:
        """Queue a message, at the cost of the oldest; `False` if it alone is too large."""
        if len(message.data) > self.max_bytes:
            self.refuse()
            return False
        self._waiting.append(message)
        self._bytes += len(message.data)
        while len(self._waiting) > self.max_messages or self._bytes > self.max_bytes:
            self._pop()
            self.dropped += 1
        return True

    def take(self, max_messages: int, max_bytes: int) -> list[Message[T]]:
        """The oldest, at least one if there is any; to be settled."""
        taken: list[Message[T]] = []
        size = 0
        while self._waiting and len(taken) < max_messages:
            size += len(self._waiting[0].data)
            if taken and size > max_bytes:
                break
            taken.append(self._pop())
        self.in_flight += len(taken)
        return taken

    def settle(self, *, sent: int, lost: int = 0) -> None:
        """Say what became of messages that were taken."""
        self.in_flight -= sent + lost
        self.sent += sent
        self.dropped += lost

    def clear(self) -> None:
        """Drop all that waits or is in flight."""
        self.dropped += len(self._waiting) + self.in_flight
        self.in_flight = self._bytes = 0
        self._waiting.clear()

    def _pop(self) -> Message[T]:
        message = self._waiting.popleft()
        self._bytes -= len(message.data)
        return message
