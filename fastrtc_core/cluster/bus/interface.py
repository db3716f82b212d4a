"""`Bus`: what carries bytes between the servers of a channel, or the processes of a stream."""

from __future__ import annotations

import math
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from ...errors import ConfigurationError

Receiver = Callable[[bytes], None]
"""Takes what was published to a topic; called on the event loop, and must not block it."""

StateListener = Callable[[bool], None]
"""Is told whether the bus is connected, on the event loop, at each change."""


class BusStatistics(NamedTuple):
    """What became of all messages so far.

    Attributes:
        published: Messages that were handed to the other side.
        received: Messages that reached a callback.
        dropped: Messages that were published and did not leave: refused as there was no
            connection, pushed out by newer ones, or in the queue when the connection broke.
        reconnects: How often a broken connection was made again.
    """

    published: int
    received: int
    dropped: int
    reconnects: int


class Bus(ABC):
    """Carries bytes between servers, at best effort: what is lost is lost, and counted.

    What one bus publishes to one topic arrives in its order, at most once, at every *other* bus
    that has subscribed to the topic: never at the one that published it. All methods are to be
    called on the event loop on which `start` ran.
    """

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether what is published now is likely to arrive."""

    @abstractmethod
    async def start(self, note_state: StateListener) -> None:
        """Begin; waits a few s at most for the first connection.

        A server that is away is no error: it is tried again until `aclose`. After that the bus may
        be started again.

        Args:
            note_state: Called with `True` when the bus is connected (the first time before `start`
                returns, if it is by then), and with `False` when the connection is lost; not called
                by `aclose`.

        Raises:
            ConfigurationError: If it runs already, or the server refuses the credentials.
        """

    @abstractmethod
    def publish(self, topic: str, data: bytes) -> bool:
        """Send to all others who subscribe to a topic; returns at once.

        Messages wait in a bounded queue, and when it is full the oldest go.

        Returns:
            Whether the message was queued; `False` if it was dropped, as the bus is not connected
            or the message alone is larger than the queue.
        """

    @abstractmethod
    async def subscribe(self, topic: str, callback: Receiver) -> None:
        """Have a callback called with all that others publish to a topic from now on.

        When it returns and the bus is connected, the subscription stands. Without a connection it
        returns at once, and the subscription takes effect with the next one, as all subscriptions
        do. There is one callback per topic: a second takes the place of the first.

        Raises:
            BusError: If the server does not allow it.
        """

    @abstractmethod
    async def unsubscribe(self, topic: str) -> None:
        """Have the callback of a topic called no more, from the moment of this call; idempotent."""

    @abstractmethod
    async def claim(self, key: str, ttl: float) -> bool:
        """Be the first of all servers to claim a key.

        Args:
            key: What is claimed.
            ttl: How long in s the claim holds.

        Returns:
            Whether it was free; it is not if this bus itself has claimed it.

        Raises:
            BusError: If the bus is not connected, or breaks meanwhile: then the claim may hold or
                not, for `ttl` s.
            ConfigurationError: If `ttl` is not a time above 0.
        """

    @abstractmethod
    async def release(self, key: str) -> None:
        """Free a key before its time, if it is this bus that holds it.

        Does not raise: a claim that cannot be released, as the server is away, ends with its `ttl`.
        """

    @abstractmethod
    def statistics(self) -> BusStatistics:
        """What became of all messages so far."""

    @abstractmethod
    async def aclose(self) -> None:
        """Forget all subscriptions and end, within 2 s; idempotent.

        What waits to be published still leaves if it can within 0.5 s.
        """


ID_SIZE = 8
"""Bytes of the id of a bus."""


class BusId:
    """The id of a bus: another one in each process, as processes may be copies of each other.

    gunicorn with `--preload` makes the app once, and then forks.
    """

    def __init__(self) -> None:
        self._ids: dict[int, bytes] = {}

    @property
    def here(self) -> bytes:
        """The id, in this process."""
        if os.getpid() not in self._ids:
            self._ids[os.getpid()] = secrets.token_bytes(ID_SIZE)
        return self._ids[os.getpid()]


def check_ttl(ttl: float) -> float:
    """A lifetime that can be meant.

    Raises:
        ConfigurationError: If it is not; at most a year, so that a server can count it.
    """
    if not (math.isfinite(ttl) and 0 < ttl <= 365 * 86400):
        raise ConfigurationError(f"a claim needs a ttl above 0 s and of at most a year, not {ttl}")
    return ttl
