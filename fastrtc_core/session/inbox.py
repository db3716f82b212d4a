"""Messages from the client: arguments at once, the rest to `on_message`, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MessageError
from ..messages import parse_client_message
from ..tracks.ring import Ring

if TYPE_CHECKING:
    from .calls import UserCall
    from .session import Session

CAPACITY = 256
"""Messages that may wait for `on_message`; then the oldest are dropped, and the client is told."""


class Inbox:
    """Sorts what the client sends."""

    def __init__(self, session: Session) -> None:
        self.malformed = 0
        """Messages that could not be read."""
        self._session = session
        self._messages: Ring[Any] = Ring(CAPACITY)

    @property
    def dropped(self) -> int:
        """Messages that were dropped because `on_message` was slow."""
        return self._messages.dropped

    def put(self, text: str | bytes) -> None:
        """Take the text of a message; what cannot be read is counted and answered with an error."""
        try:
            message = parse_client_message(text)
        except MessageError as error:
            self.malformed += 1
            self._session.reporter.tell("error", str(error))
            return
        if message.type == "send_input":
            # At once: `start_up` may be waiting for it.
            self._session.handler.set_args(message.data)
            return
        dropped = self._messages.dropped
        self._messages.put(message.data)
        if self._messages.dropped > dropped and not dropped:
            self._session.reporter.tell(
                "warning", "Messages arrive faster than the server handles them; some are lost."
            )

    async def run(self, on_message: UserCall) -> None:
        """Hand every message to `on_message`; an exception loses one."""
        while True:
            message = await self._messages.get()
            try:
                await on_message(message)
            except Exception as error:
                self._session.reporter.error(error, "on_message")
