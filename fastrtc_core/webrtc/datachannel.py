"""The data channel of a peer as the message channel of its session."""

from __future__ import annotations

import asyncio
from collections import deque

from aiortc import RTCDataChannel

from ..errors import ChannelClosedError, MessageError, QueueFullError
from . import internals

LABEL = "text"
"""Label of the channel, where this side opens it."""

HIGH_WATER = 1 << 20
"""Bytes on their way above which nothing more is taken."""

LOW_WATER = 1 << 18
"""Bytes on their way below which `drain` returns."""

KEPT = 64
"""Messages after which it is looked up which of them have arrived."""

MAX_BYTES = 1 << 18
"""Largest message that is sent, to those that take as much (their `max-message-size` in SDP)."""


class DataChannel:
    """Sends messages over the data channels of a peer, with a bound on what is on its way.

    The other side may have opened several. Messages go out on the one that it used last, and on
    another one that is open once that is closed.

    Attributes:
        raw: The `RTCDataChannel` that is used.
        asks: Whether the client can be asked for its inputs.
    """

    asks = True

    def __init__(self, channel: RTCDataChannel) -> None:
        self.raw = channel
        self._low = asyncio.Event()
        self._abandoned = False
        self._kept: deque[str | bytes] | None = None
        self._trim_at = KEPT
        self._channels: list[RTCDataChannel] = []
        self.add(channel)

    def add(self, channel: RTCDataChannel) -> None:
        """Take a further channel."""
        self._channels.append(channel)
        channel.bufferedAmountLowThreshold = LOW_WATER
        channel.on("bufferedamountlow", self._low.set)
        channel.on("close", lambda: self._remove(channel))
        if self.raw.readyState == "closed":
            self.use(channel)

    def use(self, channel: RTCDataChannel) -> None:
        """Send on this channel from now on."""
        if channel is not self.raw and self._kept:
            self._kept.clear()
        self.raw = channel

    def keep(self) -> None:
        """Keep what is sent until it has arrived, for `undelivered`."""
        self._kept = deque()

    def undelivered(self) -> list[str | bytes]:
        """The latest messages, those that have not arrived as far as is known, in their order."""
        if self._kept is None:
            return []
        count = internals.unacknowledged(self.raw)
        while len(self._kept) > count:
            self._kept.popleft()
        self._trim_at = max(KEPT, 2 * len(self._kept))
        return list(self._kept)

    def abandon(self) -> None:
        """Send nothing more: who waits for room waits no longer; idempotent."""
        self._abandoned = True
        self._low.set()

    def _remove(self, channel: RTCDataChannel) -> None:
        self._channels.remove(channel)
        if self.raw is channel and self._channels:
            self.use(self._channels[-1])
        self._low.set()

    @property
    def _open(self) -> bool:
        return self.raw.readyState == "open" and not self._abandoned

    def post(self, text: str) -> None:
        """Send a text.

        Raises:
            ChannelClosedError: If the channel is not open.
            QueueFullError: If too much is on its way.
            MessageError: If it is larger than the other side takes.
        """
        self._post(text, len(text.encode()))

    def post_bytes(self, data: bytes) -> None:
        """Send bytes, as a binary message; raises as `post` does."""
        self._post(data, len(data))

    def _post(self, message: str | bytes, size: int) -> None:
        if size > MAX_BYTES:
            raise MessageError(f"a message of {size} bytes is larger than {MAX_BYTES}")
        if not self._open:
            state = "abandoned" if self._abandoned else self.raw.readyState
            raise ChannelClosedError(f"the data channel is {state}")
        if self.raw.bufferedAmount > HIGH_WATER:
            raise QueueFullError(f"{self.raw.bufferedAmount} bytes are on their way already")
        try:
            self.raw.send(message)
        except ValueError as error:  # how aiortc says that the other side takes less
            raise MessageError(f"the message is too large: {error}") from None
        if self._kept is not None:
            self._kept.append(message)
            if len(self._kept) > self._trim_at:
                self.undelivered()

    async def drain(self) -> None:
        """Wait until less than `LOW_WATER` bytes are on their way, or the channel is closed."""
        while self._open and self.raw.bufferedAmount > LOW_WATER:
            self._low.clear()
            await self._low.wait()

    async def flush(self, timeout: float) -> None:
        """Wait until everything has left, for `timeout` s at most."""
        self.raw.bufferedAmountLowThreshold = 0
        try:
            async with asyncio.timeout(timeout):
                while self.raw.readyState == "open" and self.raw.bufferedAmount:
                    self._low.clear()
                    await self._low.wait()
        except TimeoutError:
            return
