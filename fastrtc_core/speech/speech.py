"""`Speech`: one thing that a session says, from the call of `say` until it was heard."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, NamedTuple, Protocol

from ..abandonment import result_of


class Playback(NamedTuple):
    """What became of a speech.

    Attributes:
        heard: How much of its audio was sent to the client, in s; where a client discards what it
            has not played yet, without what it cannot have played.
        text: The sentences of which something was sent, as they were written; empty where audio
            was said, not text.
        interrupted: Whether it ended before everything was sent.
        error: What its source raised, if it did.
    """

    heard: float
    text: str
    interrupted: bool
    error: Exception | None = None


class TextToSpeech(Protocol):
    """What `handler.tts` must be: one of these methods is enough, and the first one is taken.

    Each yields or returns what `emit` may return as audio. Sync ones run on a thread.
    """

    def stream_tts(self, text: str) -> AsyncIterator[Any]:
        """Speak a text, audio as soon as it is there."""

    def stream_tts_sync(self, text: str) -> Iterator[Any]:
        """The same, for engines that are not async."""

    def tts(self, text: str) -> Any:
        """Speak a text at once."""


class Speech:
    """A handle on something that is said; `say` returns it at once.

    Awaiting it, on any event loop, waits until it is over and returns the `Playback`. It does not
    raise what the source raised: that is reported once, and stands in the result.

    Args:
        source: What is said; see `StreamHandlerBase.say`.
        priority: The highest goes first; equal ones in the order of the calls.
        interruptible: Whether `interrupt` ends it.
        what: What it is called when its source raises.

    Attributes:
        source, priority, interruptible, what: As above.
    """

    def __init__(
        self, source: Any, *, priority: int = 0, interruptible: bool = True, what: str = "say"
    ) -> None:
        self.source = source
        self.priority = priority
        self.interruptible = interruptible
        self.what = what
        self._playback: concurrent.futures.Future[Playback] = concurrent.futures.Future()
        self._cancel: Callable[[], None] = lambda: self.finish(Playback(0.0, "", True))
        self._heard: Callable[[], float] = lambda: 0.0

    def __await__(self) -> Generator[Any, None, Playback]:
        return self.wait_for_playout().__await__()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._playback.done()

    @property
    def heard(self) -> float:
        """How much of its audio was heard so far, in s; see `Playback`."""
        return self._playback.result().heard if self.done else self._heard()

    def cancel(self) -> None:
        """End it: nothing of it that is not on its way is sent; safe from any thread."""
        self._cancel()

    async def wait_for_playout(self) -> Playback:
        """Wait until it is over. A wait that is cancelled does not cancel the speech."""
        return await asyncio.shield(asyncio.wrap_future(self._playback))

    def wait(self, timeout: float | None = None) -> Playback:
        """Wait until it is over, on a thread without an event loop.

        Raises:
            TimeoutError: If it is not over after `timeout` s.
            CallAbandonedError: If the session of the sync method that waits ends first.
        """
        return result_of(self._playback, timeout)

    # What plays it calls these.

    def admit(self, cancel: Callable[[], None]) -> None:
        """It is going to be played, and is cancelled by this."""
        self._cancel = cancel

    def begin(self, heard: Callable[[], float]) -> None:
        """It is being played; the function tells how much was sent to the client, in s."""
        self._heard = heard

    def finish(self, playback: Playback) -> None:
        """It is over; the first call counts."""
        if not self._playback.done():
            self._playback.set_result(playback)
