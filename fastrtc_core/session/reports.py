"""Errors of user code: one record in the log and one message to the client for each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..errors import ChannelClosedError, HandlerError, QueueFullError
from ..messages import build_message

logger = logging.getLogger("fastrtc_core.session")

WINDOW = 1.0
"""Length in s of the window in which reports are counted."""

MAX_REPORTS = 10
"""Reports in one window: a handler that fails on every frame does not fill the log."""


class Reporter:
    """Tells the log and the client what went wrong in a session.

    Args:
        session_id: Named in every record.
        post: Sends the text of a message to the client.
        clock: The time in s.
    """

    def __init__(
        self, session_id: str, post: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._session_id = session_id
        self._post = post
        self._clock = clock
        self._window_start = float("-inf")
        self._in_window = 0
        self._suppressed = 0

    def error(self, error: BaseException, where: str) -> None:
        """Report an exception that user code raised.

        A `HandlerError` is shown with its text; any other exception as a neutral sentence.
        """
        if isinstance(error, ChannelClosedError):
            # The client went while it was being answered: that is no fault of the handler.
            logger.info("session %s: %s was late: %s", self._session_id, where, error)
            return
        if not self._admit():
            return
        again = f" ({self._suppressed} more were not reported)" if self._suppressed else ""
        self._suppressed = 0
        logger.error(
            "session %s: %s raised %s%s",
            self._session_id,
            where,
            type(error).__name__,
            again,
            exc_info=error,
        )
        text = str(error) if isinstance(error, HandlerError) else f"The server failed in {where}."
        self.tell("error", text)

    def tell(self, type: str, data: Any) -> None:
        """Send the client a message, if it can take one."""
        try:
            self._post(build_message(type, data))
        except (ChannelClosedError, QueueFullError) as error:
            logger.debug("session %s: %s not sent: %s", self._session_id, type, error)

    def _admit(self) -> bool:
        now = self._clock()
        if now - self._window_start >= WINDOW:
            self._window_start = now
            self._in_window = 0
        self._in_window += 1
        if self._in_window > MAX_REPORTS:
            self._suppressed += 1
            return False
        return True
