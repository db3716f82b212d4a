"""`Speech`: one thing that a session says, from the call of `say` until it was heard."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, NamedTuple, Protocol

from ..abandonment import result_of
from .live_turn import LiveTurn


class Playback(NamedTuple):
    """What became of a speech.

    Attributes:
        heard: How much of its audio was sent to the client, in s; where a client discards what it
            has not played yet, without what it cannot have played; while a client is away, without
            what was sent after it was there last.
        text: What was heard of the text, as it was written, up to the last word of which at least
            half was; empty where audio was said, not text.
        interrupted: Whether it ended before everything was sent.
        error: What its source raised, if it did.
    """

    heard: float
    text: str
    interrupted: bool
    error: Exception | None = None


class SpeechWords(NamedTuple):
    """How far a speech is, in words.

    Attributes:
        made: Words that were given to the voice so far.
        sent: Of them, those that were sent to the client; most of a word counts as all of it.
        arrived: Of those, what the client is known to have got. Over WebRTC its reports say so, of
            which a browser sends one each 5 s or so; a WebSocket client or a telephone, by what it
            has played.
        heard: Of those, what the client has played or is going to: see `Playback.heard`.
    """

    made: int
    sent: int
    arrived: int
    heard: int


class TextToSpeech(Protocol):
    """What `handler.tts` must be: one of these methods is enough, and the first one is taken.

    Each yields or returns what `emit` may return as audio. Sync ones run on a thread. One that
    knows when it says each word yields `SpokenFrame`s.
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
        turn: The turn that it answers, if it answers one.

    Attributes:
        source, priority, interruptible, what, turn: As above.
        said: Its text as far as it was made.
    """

    def __init__(
        self,
        source: Any,
        *,
        priority: int = 0,
        interruptible: bool = True,
        what: str = "say",
        turn: LiveTurn | None = None,
    ) -> None:
        self.source = source
        self.priority = priority
        self.interruptible = interruptible
        self.what = what
        self.turn = turn
        self.said = ""
        self._playback: concurrent.futures.Future[Playback] = concurrent.futures.Future()
        self._cancel: Callable[[], None] = lambda: self.finish(Playback(0.0, "", True))
        self._heard: Callable[[], float] = lambda: 0.0
        self._words: Callable[[], SpeechWords] = lambda: SpeechWords(0, 0, 0, 0)
        self._sounding: list[Callable[[], None]] = []
        self._sounds = False

    def __await__(self) -> Generator[Any, None, Playback]:
        return self.wait_for_playout().__await__()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._playback.done()

    @property
    def sounds(self) -> bool:
        """Whether its first sound was queued."""
        return self._sounds

    @property
    def heard(self) -> float:
        """How much of its audio was heard so far, in s; see `Playback`."""
        return self._playback.result().heard if self.done else self._heard()

    @property
    def words(self) -> SpeechWords:
        """How many words of it were made, sent and heard so far; to be read on the event loop."""
        return self._words()

    def cancel(self) -> None:
        """End it: nothing of it that is not on its way is sent; safe from any thread."""
        self._cancel()

    async def wait_for_playout(self) -> Playback:
        """Wait until it is over. A wait that is cancelled does not cancel the speech."""
        return await asyncio.shield(asyncio.wrap_future(self._playback))

    def when_done(self, callback: Callable[[Playback], None]) -> None:
        """Have a function called at its very end, before anything else can happen.

        It is called where the end is noticed, which is the event loop of the session, and at once
        if it is over already. What it raises is logged.
        """
        self._playback.add_done_callback(lambda future: callback(future.result()))

    def when_heard(self, callback: Callable[[], None]) -> None:
        """Have a function called as its first sound is queued; to be called on the event loop."""
        if self._sounds:
            callback()
        else:
            self._sounding.append(callback)

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

    def begin(self, heard: Callable[[], float], words: Callable[[], SpeechWords]) -> None:
        """It is being played; the functions tell how much was heard, in s and in words."""
        self._heard = heard
        self._words = words

    def sound(self) -> None:
        """Its first sound is queued; the first call counts."""
        self._sounds = True
        while self._sounding:
            self._sounding.pop(0)()

    def finish(self, playback: Playback) -> None:
        """It is over; the first call counts."""
        if not self._playback.done():
            words, find = self._words(), self._words
            # The client tells what it has got after it has got it.
            self._words = lambda: words._replace(arrived=min(words.sent, find().arrived))
            self._playback.set_result(playback)
