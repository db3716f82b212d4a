"""The data channel of a peer as the message channel of its session."""

from __future__ import annotations

import asyncio

from aiortc import RTCDataChannel

from ..errors import ChannelClosedError, MessageError, QueueFullError

LABEL = "text"
"""Label of the channel, where this side opens it."""

HIGH_WATER = 1 << 20
"""Bytes on their way above which nothing more is taken."""

LOW_WATER = 1 << 18
"""Bytes on their way below which `drain` returns."""

MAX_BYTES = 1 << 18
"""Largest message that the other side is able to take (its `max-message-size` in SDP)."""


class DataChannel:
    """Sends messages over one `RTCDataChannel`, with a bound on what is on its way.

    Attributes:
        raw: The `RTCDataChannel`.
        asks: Whether the client can be asked for its inputs.
    """

    asks = True

    def __init__(self, channel: RTCDataChannel) -> None:
        self.raw = channel
        self._low = asyncio.Event()
        channel.bufferedAmountLowThreshold = LOW_WATER
        channel.on("bufferedamountlow", self._low.set)
        channel.on("close", self._low.set)

    def post(self, text: str) -> None:
        """Send a text.

        Raises:
            ChannelClosedError: If the channel is not open.
            QueueFullError: If too much is on its way.
            MessageError: If it is too large to be sent.
        """
        size = len(text.encode())
        if size > MAX_BYTES:
            raise MessageError(f"a message of {size} bytes is larger than {MAX_BYTES}")
        if self.raw.readyState != "open":
            raise ChannelClosedError(f"the data channel is {self.raw.readyState}")
        if self.raw.bufferedAmount > HIGH_WATER:
            raise QueueFullError(f"{self.raw.bufferedAmount} bytes are on their way already")
        self.raw.send(text)

    async def drain(self) -> None:
        """Wait until less than `LOW_WATER` bytes are on their way, or the channel is closed."""
        while self.raw.readyState == "open" and self.raw.bufferedAmount > LOW_WATER:
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
