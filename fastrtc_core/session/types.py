"""What a session shares with its transport and with the application."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ..context import Context
from ..handler import StreamHandlerBase
from ..outputs import AdditionalOutputs, CloseStream
from ..speech import LiveTurn, TurnRecord
from ..speech.live_turn import TurnTracer
from ..tracks import LocalAudioTrack, LocalVideoTrack, RemoteAudioTrack, TrackSource

Medium = Literal["audio", "video"]

SOURCES: dict[Medium, TrackSource] = {"audio": "microphone", "video": "camera"}
"""As what a client publishes the medium that its handler's methods get."""


class DeliverExtras(Protocol):
    """Publishes what came with a frame; `CloseStream` ends the session after the playout."""

    def __call__(
        self, extras: list[AdditionalOutputs | CloseStream], *, said: bool = False
    ) -> Awaitable[None]:
        """Take what came; `said` is whether it came with something that is being said."""


class CloseReason(enum.StrEnum):
    """Why a session ended."""

    CLIENT = "client"
    """The client closed it."""
    LOST = "lost"
    """The client vanished."""
    CLOSE_STREAM = "close_stream"
    """The handler returned `CloseStream`."""
    TIME_LIMIT = "time_limit"
    """It reached the time limit."""
    DRAIN = "drain"
    """The server is shutting down."""
    CLOSED = "closed"
    """The application closed it."""
    FAILED = "failed"
    """It was never connected."""
    REFUSED = "refused"
    """`start_up` raised a `HandlerError`."""
    ERROR = "error"
    """The handler tried to end the program, with `sys.exit()` for example."""


class MessageChannel(Protocol):
    """What a transport gives a session to send messages with."""

    raw: Any

    @property
    def asks(self) -> bool:
        """Whether the client can be asked for its additional inputs, and answer."""

    def post(self, text: str) -> None:
        """Queue a text; raises `ChannelClosedError` or `QueueFullError`."""

    async def drain(self) -> None:
        """Wait until there is room for more."""


@runtime_checkable
class BinaryChannel(Protocol):
    """A message channel that takes bytes as well."""

    def post_bytes(self, data: bytes) -> None:
        """Queue a binary message; raises as `MessageChannel.post` does, and `MessageError`."""


class TrackPublisher(Protocol):
    """What a transport gives a session that can carry further tracks."""

    async def publish(self, track: LocalAudioTrack | LocalVideoTrack, source: TrackSource) -> None:
        """See `StreamHandlerBase.publish_track`."""

    async def unpublish(self, track: LocalAudioTrack | LocalVideoTrack) -> None:
        """See `StreamHandlerBase.unpublish_track`."""

    def take_offer(self, data: Any) -> None:
        """Take an offer of the client for tracks that come later."""


class ObservedTurns(Protocol):
    """The turns of a session, for those who look on."""

    def observe(self, observer: Callable[[TurnRecord], None]) -> None:
        """Have a function called, on the event loop, with the record of each that is over."""

    def trace(self, make: Callable[[LiveTurn], TurnTracer]) -> None:
        """Have a tracer made for each; one traces at a time."""


class Observed(Protocol):
    """A session, for those who look on while it runs."""

    @property
    def context(self) -> Context:
        """What is known of it."""

    @property
    def handler(self) -> StreamHandlerBase:
        """Its handler."""

    @property
    def time_limit(self) -> float | None:
        """Its longest length in s."""

    @property
    def remote_audio(self) -> RemoteAudioTrack | None:
        """What comes in."""

    @property
    def local_audio(self) -> LocalAudioTrack | None:
        """What goes out."""

    def observe(self, note: Note | None) -> None:
        """Have each message and key noted, or no longer."""

    @property
    def turns(self) -> ObservedTurns:
        """Its turns."""


Note = Callable[[Literal["message", "key", "sent"], Any], None]
"""Called with the kind of what crosses the boundary of a session, and with that."""

Around = Callable[[Observed], AbstractContextManager[Callable[["CloseReason"], None]]]
"""Entered for as long as a session runs; what it yields is called with the reason of the end."""


@contextmanager
def unobserved(session: Observed) -> Iterator[Callable[[CloseReason], None]]:
    """Looks at nothing."""
    yield lambda reason: None


@dataclass(frozen=True)
class Hooks:
    """What the application wants to be told of every session.

    Attributes:
        on_connect: Called with the `Context` before `start_up`; sync or async.
        on_disconnect: Called with the `CloseReason` and the `Context` after `shutdown`; the same.
        around: Looks on.
    """

    on_connect: Callable[..., Any] | None = None
    on_disconnect: Callable[..., Any] | None = None
    around: Around = unobserved
