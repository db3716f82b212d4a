"""`Upstream`: the connection of one session to a realtime model, kept up for as long as it can be.

It is a plain WebSocket with JSON in it, on the `websockets` package that serves WebSockets here
anyway. The `openai` package would do for one service of two, wraps the same package, and makes an
object of each event: that costs more than the audio in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from fastrtc_core import AudioFrame, ConfigurationError

from .dialect import Dialect, Message
from .events import Event, Leaving, Ready, RealtimeError, Refused

logger = logging.getLogger(__name__)

MAX_MESSAGE = 16 << 20
"""Bytes of the largest message that is read."""

MAX_WAITING = 1000
"""Messages beside audio that may wait to be sent; with more, the connection is given up."""

PING_INTERVAL = 5.0
"""Time in s between two signs of life; a service that answers none of them for as long is gone."""

CLOSE_TIMEOUT = 1.0
"""How long in s a service may take to say goodbye."""

MAX_DELAY = 30.0
"""Longest time in s between two attempts to connect."""

STABLE = 60.0
"""Time in s after which a connection that is lost is the first one again."""

_ENDS = {
    400: "rejected the request: check the model and the options",
    401: "rejected the API key",
    403: "does not allow this API key to use the model",
    404: "does not know the model or the address",
    429: "is busy, or the quota is used up: try again later",
}
_PASSING = frozenset({408, 425, 429})
_LASTING_CLOSURES = frozenset({1002, 1003, 1007, 1008, 1009, 1010, 3000})
"""Codes with which a service says that it would say the same again (RFC 6455, 7.4.1)."""


@dataclass(frozen=True)
class Address:
    """Where a service is.

    Attributes:
        url: Of its WebSocket.
        headers: Of the request; the key is in them, and is told to nobody.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class RealtimeLimits:
    """Bounds of a `RealtimeHandler`; times are in s.

    Attributes:
        connect: How long the service may take until its session is set up.
        answer: How long the model may be silent before an answer, and in its middle.
        tool: How long a tool may take that has no `timeout` of its own.
        rounds: How often in one turn the model may go on after tools.
        unsent: Audio of the user that waits while the service is slow or is connected to; then the
            oldest is dropped.
        ahead: Audio that the model may be ahead of what was heard; then the newest is dropped.
        reconnects: How often a lost connection is opened again, one time after the other, before
            it is given up. The history goes on, in words.
        delay: Before the first of them; it doubles each time, up to 30 s.

    Raises:
        ConfigurationError: If a bound is out of range.
    """

    connect: float = 10.0
    answer: float = 20.0
    tool: float = 30.0
    rounds: int = 8
    unsent: float = 10.0
    ahead: float = 180.0
    reconnects: int = 0
    delay: float = 0.5

    def __post_init__(self) -> None:
        for name in ("connect", "answer", "tool", "rounds", "unsent", "ahead", "delay"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"RealtimeLimits.{name} must be more than 0")
        if self.reconnects < 0:
            raise ConfigurationError("RealtimeLimits.reconnects must be 0 or more")


class _Waiting(NamedTuple):
    """Something that is to be sent."""

    message: Message | None
    frame: AudioFrame | None = None


class Upstream:
    """One connection after another, as one.

    Args:
        dialect: Makes the dialect of each.
        find_address: Where it goes.
        limits: How long it waits, and how often.
        set_up: What is sent first, by a dialect.
        take: Is given what the model tells, in order; it does not wait.
        lost: Told of a loss that is to be made good.
    """

    def __init__(
        self,
        dialect: Callable[[], Dialect],
        find_address: Callable[[], Address],
        limits: RealtimeLimits,
        *,
        set_up: Callable[[Dialect], list[Message]],
        take: Callable[[Event], None],
        lost: Callable[[RealtimeError], None],
    ) -> None:
        self.dialect = dialect()
        self.begun = False
        """Whether the present connection has been told of what was said before."""
        self.ready = False
        """Whether it has been set up."""
        self.dropped = 0.0
        """Audio in s of the user that the model did not get."""
        self._make_dialect = dialect
        self._find_address = find_address
        self._limits = limits
        self._set_up = set_up
        self._take = take
        self._lost = lost
        self._waiting: deque[_Waiting] = deque()
        self._messages = 0
        """How many of these are no audio."""
        self._unsent = 0.0
        self._told = asyncio.Event()

    # What is sent, on the event loop

    def send(self, messages: Sequence[Message]) -> None:
        """Send after what waits already; it may be for a connection that is still to be made."""
        if self._messages > MAX_WAITING:
            return  # the connection is given up as soon as there is one
        self._waiting.extend(_Waiting(message) for message in messages)
        self._messages += len(messages)
        self._told.set()

    def send_first(self, messages: Sequence[Message]) -> None:
        """Send before what waits already."""
        self._waiting.extendleft(_Waiting(message) for message in reversed(messages))
        self._messages += len(messages)
        self._told.set()

    def hear(self, frame: AudioFrame) -> None:
        """Send audio, as `send` does."""
        self._waiting.append(_Waiting(None, frame))
        self._unsent += frame.duration
        while self._unsent > self._limits.unsent:
            self._drop_oldest()
        self._told.set()

    def forget(self) -> None:
        """Audio that was not sent yet is not sent."""
        self._waiting = deque(each for each in self._waiting if each.frame is None)
        self._unsent = 0.0

    def _drop_oldest(self) -> None:
        for number, each in enumerate(self._waiting):
            if each.frame is not None:
                del self._waiting[number]
                self._unsent -= each.frame.duration
                if self.dropped == 0:
                    logger.warning("the model is too slow to listen: audio of the user is dropped")
                self.dropped += each.frame.duration
                return
        self._unsent = 0.0

    # The connection

    async def run(self) -> None:
        """Keep it up until it is cancelled.

        Raises:
            RealtimeError: If the service refuses, or is lost for good.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                try:
                    await self._connect()
                finally:
                    self._part()
                failures = 0  # the service said that it would end
                self._lost(RealtimeError("The model begins another session."))
                # One that leaves as soon as it is there is not connected to without a rest.
                await asyncio.sleep(began + self._limits.delay - loop.time())
            except RealtimeError as error:
                if loop.time() - began > STABLE:
                    failures = 0
                failures += 1
                if not error.passing or failures > self._limits.reconnects:
                    raise
                logger.warning("%s It is connected to again.", error)
                self._lost(error)
                await asyncio.sleep(min(MAX_DELAY, self._limits.delay * 2 ** (failures - 1)))

    def _part(self) -> None:
        """What was for this connection is for no other; what was heard is."""
        self.ready = self.begun = False
        self._waiting = deque(each for each in self._waiting if each.frame is not None)
        self._messages = 0
        self.dialect = self._make_dialect()

    async def _connect(self) -> None:
        """One connection, from its beginning until the service is about to end it."""
        service = self.dialect.service
        address = self._find_address()
        try:
            async with asyncio.timeout(self._limits.connect) as patience:
                async with connect(
                    address.url,
                    additional_headers=address.headers,
                    compression=None,
                    max_size=MAX_MESSAGE,
                    open_timeout=None,
                    ping_interval=PING_INTERVAL,
                    ping_timeout=PING_INTERVAL,
                    close_timeout=CLOSE_TIMEOUT,
                ) as socket:
                    await self._talk(socket, patience)
        except TimeoutError:
            problem = f"{service} did not answer within {self._limits.connect:g} s."
            raise RealtimeError(problem, passing=True) from None
        except InvalidStatus as error:
            raise _refusal(service, error.response.status_code) from None
        except ConnectionClosed as error:
            close = error.rcvd
            code, reason = (close.code, close.reason) if close is not None else (None, None)
            raise _closure(service, code, reason) from None
        except InvalidURI as error:
            raise RealtimeError(f"{service} has no valid address: {error.msg}.") from None
        except (OSError, EOFError, InvalidHandshake) as error:
            # The address may tell what is nobody's business; the log has it.
            logger.warning("%s cannot be reached: %r", service, error)
            raise RealtimeError(f"{service} cannot be reached.", passing=True) from error

    async def _talk(self, socket: ClientConnection, patience: asyncio.Timeout) -> None:
        self.begun = True
        for message in self._set_up(self.dialect):
            await socket.send(json.dumps(message))
        reading = asyncio.create_task(self._listen(socket, patience))
        writing = asyncio.create_task(self._write(socket))
        both = {reading, writing}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both)
        for task in (reading, writing):  # what was read last says more than that nothing is sent
            if not task.cancelled():
                return task.result()

    async def _listen(self, socket: ClientConnection, patience: asyncio.Timeout) -> None:
        leaving = False
        with contextlib.suppress(ConnectionClosed):  # however it was closed
            async for text in socket:
                for event in self._read(text):
                    if isinstance(event, Leaving):
                        leaving = True
                    elif isinstance(event, Ready):
                        patience.reschedule(None)
                        self.ready = True
                        self._told.set()
                    elif isinstance(event, Refused) and event.fatal:
                        raise RealtimeError(event.problem)
                    self._take(event)
        if not leaving:
            raise _closure(self.dialect.service, socket.close_code, socket.close_reason)

    def _read(self, text: str | bytes) -> list[Event]:
        try:
            return self.dialect.read(text if isinstance(text, str) else text.decode())
        except ValueError as error:
            logger.warning("a message of the model is passed over: %s", error)
            return []

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            while not self._waiting or not self.ready:
                self._told.clear()
                await self._told.wait()
            if self._messages > MAX_WAITING:
                problem = f"{self.dialect.service} takes too little of what it is told."
                raise RealtimeError(problem, passing=True)
            message, frame = self._waiting.popleft()
            if frame is not None:
                self._unsent -= frame.duration
                message = self.dialect.hear(frame)
            else:
                self._messages -= 1
            await socket.send(json.dumps(message))


def _refusal(service: str, status: int) -> RealtimeError:
    said = _ENDS.get(status, "is out of order" if status >= 500 else "refused the connection")
    passing = status >= 500 or status in _PASSING
    return RealtimeError(f"{service} {said} (HTTP {status}).", passing=passing)


def _closure(service: str, code: int | None, reason: str | None) -> RealtimeError:
    """The connection has ended; without a code, or with 1006, nobody has said why."""
    if code in (None, 1006):
        return RealtimeError("The connection to the model was lost.", passing=True)
    why = f" {reason}" if reason else ""
    problem = f"{service} closed the connection ({code}{why})."
    return RealtimeError(problem, passing=code not in _LASTING_CLOSURES)
