"""`MemoryBus`: a bus between parts of one process."""

from __future__ import annotations

import asyncio

from ...errors import BusError, ConfigurationError
from .calling import call_safely
from .interface import Bus, BusStatistics, Receiver, StateListener, check_ttl
from .publish_queue import MAX_BYTES, MAX_MESSAGES, BusMessage, PublishQueue


class MemoryHub:
    """Where the buses of one process meet, all on one event loop."""

    def __init__(self) -> None:
        self.buses: dict[MemoryBus, None] = {}
        self.claims = Claims()


class Claims:
    """Who holds which key, and until when; what has expired is forgotten."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[object, float]] = {}
        self._sweep_at = 64

    def __len__(self) -> int:
        return len(self._held)

    def claim(self, key: str, owner: object, ttl: float, now: float) -> bool:
        """Give a key to an owner, unless it is held."""
        _, until = self._held.get(key, (None, now))
        if now < until:
            return False
        if len(self._held) >= self._sweep_at:
            self._held = {key: held for key, held in self._held.items() if now < held[1]}
            self._sweep_at = max(64, 2 * len(self._held))
        self._held[key] = (owner, now + ttl)
        return True

    def release(self, key: str, owner: object) -> None:
        """Free a key of this owner."""
        if key in self._held and self._held[key][0] == owner:
            del self._held[key]

    def held_by(self, owner: object, now: float) -> dict[str, float]:
        """What an owner holds, and for how many s more."""
        return {
            key: until - now
            for key, (holder, until) in self._held.items()
            if holder == owner and now < until
        }


class MemoryBus(Bus):
    """A bus between those who share a hub: for one process, and for tests.

    What is published arrives in a later turn of the event loop.

    Args:
        hub: Where it meets the others; without one it is alone.
        max_queued: Messages that may wait.
        max_queued_bytes: Bytes that may wait.
    """

    def __init__(
        self,
        hub: MemoryHub | None = None,
        *,
        max_queued: int = MAX_MESSAGES,
        max_queued_bytes: int = MAX_BYTES,
    ) -> None:
        self._hub = hub or MemoryHub()
        self._queue: PublishQueue[str] = PublishQueue(max_queued, max_queued_bytes)
        self._callbacks: dict[str, Receiver] = {}
        self._note_state: StateListener | None = None
        self._is_cut = False
        self._received = self._reconnects = 0
        self._flush: asyncio.Handle | None = None

    def __repr__(self) -> str:
        return f"<MemoryBus {'connected' if self.connected else 'not connected'}>"

    @property
    def connected(self) -> bool:
        """Whether it has been started, and not cut off."""
        return self._note_state is not None and not self._is_cut

    async def start(self, note_state: StateListener) -> None:
        """Begin.

        Raises:
            ConfigurationError: If it runs already.
        """
        if self._note_state is not None:
            raise ConfigurationError("this bus runs already")
        self._loop = asyncio.get_running_loop()
        self._note_state = note_state
        self._hub.buses[self] = None
        if not self._is_cut:
            self._tell(True)

    def publish(self, topic: str, data: bytes) -> bool:
        """Queue a message for all other buses of the hub."""
        if not self.connected:
            self._queue.refuse()
            return False
        if not self._queue.push(BusMessage(topic, b"" + data)):
            return False
        if self._flush is None:
            self._flush = self._loop.call_soon(self._deliver)
        return True

    async def subscribe(self, topic: str, callback: Receiver) -> None:
        """Have a callback called with all that others publish to a topic."""
        self._callbacks[topic] = callback

    async def unsubscribe(self, topic: str) -> None:
        """Have the callback of a topic called no more."""
        self._callbacks.pop(topic, None)

    async def claim(self, key: str, ttl: float) -> bool:
        """Be the first of the hub to claim a key.

        Raises:
            BusError: If the bus is not connected.
            ConfigurationError: If `ttl` is not a time above 0.
        """
        check_ttl(ttl)
        if not self.connected:
            raise BusError("the bus is not connected")
        return self._hub.claims.claim(key, self, ttl, self._loop.time())

    async def release(self, key: str) -> None:
        """Free a key of this bus."""
        if self.connected:
            self._hub.claims.release(key, self)

    def statistics(self) -> BusStatistics:
        """What became of all messages so far."""
        return BusStatistics(
            self._queue.sent, self._received, self._queue.dropped, self._reconnects
        )

    async def aclose(self) -> None:
        """Leave the hub, once all that waits is delivered; idempotent."""
        self._deliver()
        self._note_state = None
        self._hub.buses.pop(self, None)
        self._callbacks.clear()
        self._drop_queue()

    def cut(self) -> None:
        """Break the connection, as the network may; for tests."""
        was_connected = self.connected
        self._is_cut = True
        self._drop_queue()
        if was_connected:
            self._tell(False)

    def mend(self) -> None:
        """Undo `cut`."""
        was_cut, self._is_cut = self._is_cut, False
        if was_cut and self.connected:
            self._reconnects += 1
            self._tell(True)

    def _drop_queue(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._queue.clear()

    def _deliver(self) -> None:
        # What a callback publishes waits for the next turn.
        self._flush = None
        for message in self._queue.take(self._queue.max_messages, self._queue.max_bytes):
            if not self.connected:
                return  # a callback has closed or cut this bus; the rest was dropped
            self._queue.settle(sent=1)
            for bus in tuple(self._hub.buses):
                if bus is not self:
                    bus._receive(message)

    def _receive(self, message: BusMessage[str]) -> None:
        callback = self._callbacks.get(message.topic)
        if self.connected and callback is not None:
            self._received += 1
            call_safely(callback, message.data)

    def _tell(self, connected: bool) -> None:
        if self._note_state is not None:
            call_safely(self._note_state, connected)
