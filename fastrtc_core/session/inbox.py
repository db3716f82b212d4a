"""What comes from the client beside media: arguments at once, the rest to hooks, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import MessageError
from ..messages import parse_client_message
from ..tracks.ring import Ring
from .calls import UserCall
from .life import Life
from .reports import Reporter

CAPACITY = 256
"""Messages that may wait for their hook; then the oldest are dropped, and the client is told."""

CAPACITY_BYTES = 8 << 20
"""The same, in characters of their JSON."""


class Inbox:
    """Sorts what the client sends.

    Args:
        reporter: Tells the client what cannot be read, or is lost.
        take_inputs: Takes the values of the additional inputs.
        take_offer: Takes an offer for further tracks.
        take_close: The client ends the session.
    """

    def __init__(
        self,
        reporter: Reporter,
        take_inputs: Callable[[list[Any]], None],
        take_offer: Callable[[Any], None],
        take_close: Callable[[], None],
    ) -> None:
        self.malformed = 0
        """Messages that could not be read."""
        self._reporter = reporter
        self._take_inputs = take_inputs
        self._take_offer = take_offer
        self._take_close = take_close
        # Messages wait as text: as objects they can take 25 times as many bytes.
        self._messages: Ring[tuple[str, str | bytes]] = Ring(CAPACITY, CAPACITY_BYTES)

    @property
    def dropped(self) -> int:
        """Messages that were dropped because `on_message` was slow."""
        return self._messages.dropped

    @property
    def waiting(self) -> int:
        """Messages that wait for their hook."""
        return len(self._messages)

    def put(self, text: str | bytes) -> None:
        """Take the text of a message; what cannot be read is counted and answered with an error."""
        try:
            message = parse_client_message(text)
        except MessageError as error:
            self.malformed += 1
            self._reporter.tell("error", str(error))
            return
        if message.type == "send_input":
            # At once: `start_up` may be waiting for it.
            self._take_inputs(message.data)
            return
        if message.type == "offer":
            self._take_offer(message.data)
            return
        if message.type == "close":
            self._take_close()
            return
        self._put("on_message", text)

    def put_key(self, digit: str) -> None:
        """Take a key that was pressed on a telephone."""
        self._put("on_dtmf", digit)

    def _put(self, hook: str, text: str | bytes) -> None:
        dropped = self._messages.dropped
        self._messages.put((hook, text), len(text))
        if self._messages.dropped > dropped and not dropped:
            self._reporter.tell(
                "warning", "Messages arrive faster than the server handles them; some are lost."
            )

    async def run(self, hooks: Mapping[str, UserCall], life: Life) -> None:
        """Hand everything to the hook that it is for; an exception loses one."""
        while not life.ending:
            name, text = await self._messages.get()
            hook = hooks.get(name)
            if hook is None:
                continue
            try:
                await hook(parse_client_message(text).data if name == "on_message" else text)
            except Exception as error:
                self._reporter.error(error, name)
