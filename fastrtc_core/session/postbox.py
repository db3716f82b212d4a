"""Messages to the client, from before its channel is open until after the session has ended."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

from ..errors import ChannelClosedError, FastRTCError, MessageError
from ..messages import as_message_text
from .types import BinaryChannel, MessageChannel

logger = logging.getLogger("fastrtc_core.session")

EARLY_MESSAGES = 64
"""Messages that wait for the channel to open; then the oldest are dropped."""


class Postbox:
    """Sends what a session has to say.

    Args:
        session_id: Named in the log.

    Attributes:
        channel: The message channel, once it is open.
        opened: Set from then on.
    """

    def __init__(self, session_id: str) -> None:
        self.channel: MessageChannel | None = None
        self._session_id = session_id
        self.opened = asyncio.Event()
        self._early: deque[str | bytes] = deque(maxlen=EARLY_MESSAGES)
        self._closed = False

    def open(self, channel: MessageChannel) -> None:
        """Send what waits, and from now on at once."""
        self.channel = channel
        self.opened.set()
        while self._early:
            try:
                _post(channel, self._early.popleft())
            except FastRTCError as error:
                logger.warning(
                    "session %s: an early message was not sent: %s", self._session_id, error
                )

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def post(self, text: str | bytes) -> None:
        """Send a message, or keep it until the channel is open.

        Raises:
            ChannelClosedError: If the session has ended.
            QueueFullError: If too much is on its way.
            MessageError: If it is binary, and the transport carries text alone.
        """
        if self._closed:
            raise ChannelClosedError("the session has ended")
        if self.channel is None:
            self._early.append(text)
        else:
            _post(self.channel, text)

    async def send(self, message: Any) -> None:
        """Send a message, waiting for room; see `StreamHandlerBase.send_message`."""
        text = as_message_text(message)
        if self.channel is not None:
            await self.channel.drain()
        self.post(text)


def _post(channel: MessageChannel, message: str | bytes) -> None:
    if isinstance(message, str):
        channel.post(message)
    elif isinstance(channel, BinaryChannel):
        channel.post_bytes(message)
    else:
        raise MessageError("this transport carries no binary messages: send text or JSON")
