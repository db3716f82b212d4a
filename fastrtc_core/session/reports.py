"""Errors of user code: one record in the log and one message to the client for each.

One that comes again and again, with every frame for example, is reported when it comes first, and
then once per interval with how often it came.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ..errors import (
    ChannelClosedError,
    HandlerError,
    MessageError,
    QueueFullError,
    UserCodeError,
    UserExitError,
)
from ..messages import build_message
from ..usercode import guarded

logger = logging.getLogger("fastrtc_core.session")

INTERVAL = 10.0
"""Length in s of the interval in which errors that are alike are counted."""

MAX_KINDS = 8
"""Kinds of errors that are told apart in one interval; all others are counted as one."""

_UNITS = {
    "receive": "frame",
    "emit": "frame",
    "video_receive": "frame",
    "video_emit": "frame",
    "on_message": "message",
    "on_dtmf": "key",
}
"""What is called again and again, and what each call is for, in words for people.

Errors of these are counted; any other, such as that of a turn, is told whenever it comes."""


class _Kind(NamedTuple):
    """Errors that are alike."""

    where: str
    type: type[BaseException] | None = None
    text: str | None = None


class _Repeats:
    """How often an error came in an interval, and the last one that is still to be reported."""

    def __init__(self, timer: asyncio.TimerHandle, count: int) -> None:
        self.timer = timer
        self.count = count
        self.error: BaseException | None = None


class Reporter:
    """Tells the log and the client what went wrong in a session.

    Args:
        session_id: Named in every record.
        post: Sends the text of a message to the client.
        loop: The event loop of the session.
        on_exit: Called after user code has tried to end the program.
    """

    def __init__(
        self,
        session_id: str,
        post: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
        on_exit: Callable[[], None],
    ) -> None:
        self._session_id = session_id
        self._post = post
        self._loop = loop
        self._on_exit = on_exit
        self._kinds: dict[_Kind, _Repeats] = {}
        self._closed = False

    def error(self, error: BaseException, where: str) -> None:
        """Report an exception that user code raised.

        A `HandlerError` is shown with its text; any other exception as a neutral sentence.
        """
        if isinstance(error, ChannelClosedError):
            # The client went while it was being answered: that is no fault of the handler.
            logger.info("session %s: %s was late: %s", self._session_id, where, error)
            return
        kind = _Kind(where, type(error), str(error) if isinstance(error, HandlerError) else None)
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            kind = _Kind(where)
        known = self._kinds.get(kind)
        if known is None:
            if where in _UNITS and not self._closed:
                self._begin(kind, 1)
            self._log(error, where, "")
            self.tell("error", _sentence(error, where))
        else:
            known.count += 1
            known.error = error
        if isinstance(error, UserExitError):
            self._on_exit()

    async def guard(self, coro: Coroutine[Any, Any, Any], where: str) -> Any:
        """Run user code, and report what it raises."""
        try:
            return await guarded(coro)
        except Exception as error:
            self.error(error, where)

    def tell(self, type: str, data: Any, **more: Any) -> None:
        """Send the client a message, if it can take one."""
        try:
            self._post(build_message(type, data, **more))
        except (ChannelClosedError, MessageError, QueueFullError) as error:
            logger.debug("session %s: %s not sent: %s", self._session_id, type, error)

    def close(self) -> None:
        """Report what has been counted so far; from now on, nothing is counted."""
        self._closed = True
        for kind in tuple(self._kinds):
            self._end(kind)

    def _begin(self, kind: _Kind, count: int) -> None:
        timer = self._loop.call_later(INTERVAL, self._end, kind, True)
        self._kinds[kind] = _Repeats(timer, count)

    def _end(self, kind: _Kind, again: bool = False) -> None:
        """The interval is over: report what has come again in it, and begin another if so."""
        repeats = self._kinds.pop(kind)
        repeats.timer.cancel()
        if repeats.error is None:
            return
        if again:
            self._begin(kind, 0)
        error, count, where = repeats.error, repeats.count, kind.where
        self._log(error, where, f", {count} times within {INTERVAL:g} s")
        text = str(error) if isinstance(error, HandlerError) else "The log of the server says why."
        told = f"The handler failed {_how_often(where, count)}: {text}"
        self.tell("error", told, count=count, repeats=_sentence(error, where))

    def _log(self, error: BaseException, where: str, how_often: str) -> None:
        # Of what is no `Exception`, the cause says more than what stands in for it.
        cause = error.__cause__ if isinstance(error, UserCodeError) else None
        logger.error(
            "session %s: %s raised %s%s",
            self._session_id,
            where,
            type(cause or error).__name__,
            how_often,
            exc_info=error,
        )


def _how_often(where: str, count: int) -> str:
    return f"on {count} {_UNITS[where]}{'' if count == 1 else 's'}"


def _sentence(error: BaseException, where: str) -> str:
    return str(error) if isinstance(error, HandlerError) else f"The server failed in {where}."
