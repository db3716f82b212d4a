"""Messages to the client, from before its channel is open until after the session has ended.

Where the client may come back after its connection was lost, they wait for its next channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from ..errors import ChannelClosedError, FastRTCError, MessageError
from ..messages import as_message_text
from .types import BinaryChannel, MessageChannel, Note

logger = logging.getLogger("fastrtc_core.session")

EARLY_MESSAGES = 64
"""Messages that wait for the channel to open; then the oldest are dropped."""

EARLY_BYTES = 1 << 20
"""Bytes, or characters, of them."""


class Postbox:
    """Sends what a session has to say.

    Args:
        session_id: Named in the log.

    Attributes:
        channel: The message channel, once it is open.
        opened: Set from then on.
        dropped: Messages that had no room before.
        note: Called with each message that is sent, or kept to be.
    """

    def __init__(self, session_id: str) -> None:
        self.channel: MessageChannel | None = None
        self._session_id = session_id
        self.opened = asyncio.Event()
        self.dropped = 0
        self.note: Note | None = None
        self._early: deque[str | bytes] = deque()
        self._early_size = 0
        self._reported = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Messages that wait for the channel to open."""
        return len(self._early)

    def open(self, channel: MessageChannel) -> None:
        """Send what waits, and from now on at once."""
        self.channel = channel
        self.opened.set()
        if lost := self.dropped - self._reported:
            logger.warning("session %s: %d early messages are lost", self._session_id, lost)
        while self._early:
            try:
                post_on(channel, self._pop())
            except FastRTCError as error:
                logger.warning(
                    "session %s: an early message was not sent: %s", self._session_id, error
                )

    def hold(self, unsent: Sequence[str | bytes]) -> None:
        """The channel is lost, and these messages with it: keep all for the next one."""
        self.channel = None
        self.opened.clear()
        self._reported = self.dropped
        for text in unsent:
            self._keep(text)

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
        if self.note is not None:
            self.note("sent", text)
        if self.channel is None:
            self._keep(text)
        else:
            post_on(self.channel, text)

    async def send(self, message: Any) -> None:
        """Send a message, waiting for room; see `StreamHandlerBase.send_message`."""
        text = as_message_text(message)
        if self.channel is not None:
            await self.channel.drain()
        self.post(text)

    def _keep(self, text: str | bytes) -> None:
        self._early.append(text)
        self._early_size += len(text)
        while len(self._early) > EARLY_MESSAGES or (
            self._early_size > EARLY_BYTES and len(self._early) > 1
        ):
            self._pop()
            self.dropped += 1

    def _pop(self) -> str | bytes:
        text = self._early.popleft()
        self._early_size -= len(text)
        return text


def post_on(channel: MessageChannel, message: str | bytes) -> None:
    """Send a text or bytes, as what they are.

    Raises:
        ChannelClosedError, QueueFullError: As `MessageChannel.post`.
        MessageError: If it is too large, or binary, and the transport carries text alone.
    """
    if isinstance(message, str):
        channel.post(message)
    elif isinstance(channel, BinaryChannel):
        channel.post_bytes(message)
    else:
        raise MessageError("this transport carries no binary messages: send text or JSON")
