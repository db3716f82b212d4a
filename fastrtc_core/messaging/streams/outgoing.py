"""`OutgoingStream`: what a sender knows of those who receive its stream. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import MessageError
from .window import WINDOW, cost


@dataclass
class _Receiver:
    unread: deque[int] = field(default_factory=deque)
    """Sizes of the chunks that it has been sent and has not acknowledged."""
    used: int = 0
    read: int = 0
    chunks: int = 0
    since: float = 0.0
    """When it last acknowledged something, or was first sent what it has not acknowledged."""


class OutgoingStream:
    """Flow control of one stream to one receiver or several: the slowest sets the pace.

    Args:
        receivers: Their uids.
        timeout: How long in s a receiver may acknowledge nothing before it is let go.

    Attributes:
        dropped: Who does not receive any longer, and why.
        finished: Whether nothing more will be sent: who leaves now and has read all was served.
    """

    def __init__(self, receivers: Iterable[int], timeout: float) -> None:
        self.dropped: dict[int, str] = {}
        self.finished = False
        self._served: set[int] = set()
        self._receivers = {uid: _Receiver() for uid in receivers}
        self._timeout = timeout
        self._acknowledged = 0

    @property
    def receivers(self) -> tuple[int, ...]:
        """Who still receives."""
        return tuple(self._receivers)

    @property
    def deserted(self) -> bool:
        """Whether nobody receives it any longer, or has."""
        return not self._receivers and not self._served

    @property
    def acknowledged(self) -> int:
        """Bytes that all of them have read, for all that is known."""
        slowest = min((one.read for one in self._receivers.values()), default=0)
        self._acknowledged = max(self._acknowledged, slowest)
        return self._acknowledged

    @property
    def settled(self) -> bool:
        """Whether everything that was sent was read."""
        return not any(one.unread for one in self._receivers.values())

    @property
    def deadline(self) -> float | None:
        """When the next receiver will have been silent for too long."""
        waiting = [one.since for one in self._receivers.values() if one.unread]
        return min(waiting) + self._timeout if waiting else None

    def has_room(self, size: int) -> bool:
        """Whether a chunk of so many bytes may be sent to everybody."""
        return all(
            not one.unread or one.used + cost(size) <= WINDOW for one in self._receivers.values()
        )

    def send(self, size: int, now: float) -> None:
        """A chunk of so many bytes goes out to everybody."""
        for one in self._receivers.values():
            if not one.unread:
                one.since = now
            one.unread.append(size)
            one.used += cost(size)

    def acknowledge(self, uid: int, chunks: int, now: float) -> bool:
        """Somebody has read so many chunks; whether that is news.

        Raises:
            MessageError: If it has not been sent as many, or nothing at all.
        """
        one = self._receivers.get(uid)
        if one is None:
            self._check(uid)
            return False
        if chunks > one.chunks + len(one.unread):
            raise MessageError(f"user {uid} acknowledges what it was not sent")
        news = chunks > one.chunks
        while one.chunks < chunks:
            size = one.unread.popleft()
            one.used -= cost(size)
            one.read += size
            one.chunks += 1
        if news:
            one.since = now
        return news

    def drop(self, uid: int, reason: str) -> bool:
        """Send to somebody no longer; whether it was still receiving."""
        if uid not in self._receivers:
            return False
        self.acknowledged  # noqa: B018 - what was said so far stands
        one = self._receivers.pop(uid)
        if self.finished and not one.unread:
            self._served.add(uid)
        else:
            self.dropped[uid] = reason
        return True

    def refuse(self, uid: int, reason: str) -> None:
        """Somebody takes it no longer.

        Raises:
            MessageError: If it was not sent the stream.
        """
        if not self.drop(uid, reason):
            self._check(uid)

    def _check(self, uid: int) -> None:
        if uid not in self.dropped and uid not in self._served:
            raise MessageError(f"user {uid} answers a stream that it was not sent")

    def expire(self, now: float) -> list[int]:
        """Let those go that were silent for too long; returns who they are."""
        silent = [
            uid
            for uid, one in self._receivers.items()
            if one.unread and now - one.since >= self._timeout
        ]
        for uid in silent:
            self.drop(uid, f"acknowledged nothing for {self._timeout:g} s")
        return silent
