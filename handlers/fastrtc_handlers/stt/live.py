"""The words of one turn, as a recogniser tells them while it is being said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import numpy as np

from fastrtc_core import AudioFrame
from fastrtc_core.toolkit import SessionThread, pieces_of

from .types import LiveSTTModel, StreamingSTTModel, STTError, STTStream, Transcript

logger = logging.getLogger(__name__)

BACKLOG = 30.0
"""Audio in s that waits for a recogniser that is slow; then the oldest is dropped."""

BEHIND = 0.3
"""By how much in s the end of the last word may lie before the end of speech."""

_PART = 0.1
"""Longest frame in s that a recogniser gets."""

_KEPT = 256
"""Final transcripts of a turn."""


class TurnWords:
    """One turn that is recognised while it is being said. It is used on the event loop alone.

    Args:
        model: Recognises it.
        tell: Called whenever other words are known, or the same reach further.
        patience: How long in s to wait for the last words when the turn is over; then those count
            that are known.
        backlog: How much audio in s may wait for the model.

    Attributes:
        shown: What somebody was shown last of it that was not final, if anything.
        dropped: Audio in s that the model was too slow for.
    """

    def __init__(
        self,
        model: LiveSTTModel,
        tell: Callable[[TurnWords], None],
        *,
        patience: float,
        backlog: float = BACKLOG,
    ) -> None:
        self.shown: str | None = None
        self.dropped = 0.0
        self._model = model
        self._tell = tell
        self._patience = patience
        self._backlog = backlog
        self._audio = _Audio()
        self._finals: deque[Transcript] = deque(maxlen=_KEPT)
        self._partial: Transcript | None = None
        self._base = 0.0
        """Where in s the stream of the model began that goes on."""
        self._since = 0.0
        """Since when these words are known, in loop time."""
        self._needed = math.inf
        """To where in s words must be known, once the turn is over."""
        self._before: TurnWords | None = None
        self._news = asyncio.Event()
        self._error: Exception | None = None
        self._over = False
        self._task: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None

    # What was said

    @property
    def own_text(self) -> str:
        """What is known of the words."""
        return " ".join(part.text for part in self._parts() if part.text)

    @property
    def text(self) -> str:
        """The same, after what was said in the turn that goes on in this one."""
        before = "" if self._before is None else self._before.text
        return f"{before} {self.own_text}".strip()

    @property
    def heard(self) -> float:
        """How much audio in s there was."""
        return self._audio.heard

    @property
    def lag(self) -> float:
        """How long ago in s of audio the latest word ended that is known."""
        return self.heard - self._known()

    @property
    def finished(self) -> bool:
        """Whether the turn is over."""
        return self._needed != math.inf

    @property
    def failed(self) -> bool:
        """Whether the recogniser has failed, here or before, but not by being late."""
        if self._error is not None and not isinstance(self._error, _LateError):
            return True
        return self._before is not None and self._before.failed

    def knows(self, until: float) -> bool:
        """Whether words are known up to a time in s, or no more are going to be."""
        return self._over or self._known() >= until

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is looked at when there is news."""
        while not condition():
            await self._news.wait()

    async def words(self) -> str:
        """All that was said, as soon as it is final.

        Raises:
            Exception: Whatever the recogniser raises; an `STTError` if it was too late.
        """
        before = "" if self._before is None else await self._before.words()
        await self.until(lambda: self._over or self._is_complete())
        if self._error is not None and not self._is_complete():
            raise self._error
        return f"{before} {self.own_text}".strip()

    async def steady_words(self, until: float, seconds: float) -> str:
        """What is known when words have been known up to a time, and the same for so many s."""
        loop = asyncio.get_running_loop()
        while not self._over:
            left = None
            if self.own_text and self._known() >= until:
                left = self._since + seconds - loop.time()
                if left <= 0:
                    break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        return self.text

    # What happens

    def follow(self, before: TurnWords) -> None:
        """The turn that another one was taken for the end of goes on in this one."""
        if before is not self:
            self._before = before

    def push(self, frame: AudioFrame) -> None:
        """More of it was heard."""
        if self._over:
            return
        dropped = self._audio.push(frame, self._backlog)
        if dropped and not self.dropped:
            logger.warning(
                "the recogniser is more than %g s behind: audio is dropped", self._backlog
            )
        self.dropped += dropped

    def finish(self, silence: float = 0.0) -> None:
        """The turn is over, and so many s of it were silent at its end; idempotent."""
        if self.finished:
            return
        self._needed = self.heard - silence - BEHIND
        self._audio.end()
        if not self._over:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(self._patience, self._expire)
        self._notify()

    def close(self) -> None:
        """There is no such turn; idempotent."""
        self._end(None)
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Recognise it. What the recogniser raises is raised by `words`."""
        self._task = asyncio.current_task()
        error: Exception | None = None
        try:
            while not self._over:
                self._base = before = self._audio.given
                await self._recognise()
                if self._audio.exhausted:
                    break
                if self._audio.given == before:
                    raise STTError("the recogniser ended before it had heard anything")
        except Exception as failure:
            error = failure
        finally:
            self._end(error)

    async def _recognise(self) -> None:
        """One stream of the recogniser; some end by themselves in a pause, and are begun again."""
        thread = SessionThread("stt")
        try:
            told = pieces_of(self._model.stream_stt(self._audio), thread)
            async with contextlib.aclosing(told) as transcripts:
                async for transcript in transcripts:
                    self._take(transcript)
        finally:
            thread.close()
        self._keep_partial()

    def _take(self, transcript: Any) -> None:
        if not isinstance(transcript, Transcript):
            raise STTError(f"stream_stt must yield a Transcript, not {transcript!r}")
        if self._over:
            return
        text, final, start, end = transcript
        shift = self._base + self.dropped
        transcript = Transcript(text.strip(), final, start + shift, end + shift)
        before, known = self.own_text, self._known()
        if final:
            self._finals.append(transcript)
        self._partial = None if final else transcript
        changed = self.own_text != before
        if changed:
            self._since = asyncio.get_running_loop().time()
        if changed or self._known() > known:
            self._tell(self)
        self._notify()

    def _keep_partial(self) -> None:
        """What was partial when its stream ended is not going to change."""
        if self._partial is not None:
            self._finals.append(self._partial._replace(final=True))
            self._partial = None

    def _expire(self) -> None:
        """The last words do not come."""
        if self._over:
            return
        late: Exception | None = None
        if self.own_text:
            logger.warning("the recogniser was late: the words count that it knew by then")
        else:
            late = _LateError(
                f"the recogniser knew no word {self._patience:g} s after the end of the turn"
            )
        self._end(late)
        if self._task is not None:
            self._task.cancel()

    def _end(self, error: Exception | None) -> None:
        if self._over:
            return
        self._over, self._error = True, error
        self._audio.clear()
        if self._expiry is not None:
            self._expiry.cancel()
        self._notify()

    def _notify(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _parts(self) -> list[Transcript]:
        return [*self._finals, *([] if self._partial is None else [self._partial])]

    def _known(self) -> float:
        parts = self._parts()
        return parts[-1].end if parts else -math.inf

    def _is_complete(self) -> bool:
        """Whether all words are final up to the end of speech."""
        return self._partial is None and self._known() >= self._needed


class _LateError(STTError):
    """No word came in time."""


class _Audio(AsyncIterator[AudioFrame]):
    """The frames of a turn, which wait for whoever iterates over them."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.given = 0.0
        self.ended = False
        self._waiting: deque[AudioFrame] = deque()
        self._seconds = 0.0
        self._wake = asyncio.Event()

    @property
    def exhausted(self) -> bool:
        """Whether it has ended, and all of it was given."""
        return self.ended and not self._waiting

    def push(self, frame: AudioFrame, most: float) -> float:
        """Add a frame, and drop the oldest beyond so many s; returns how many s were dropped."""
        self.heard += frame.duration
        for part in _parts_of(frame):
            self._waiting.append(part)
            self._seconds += part.duration
        dropped = 0.0
        while self._seconds - dropped > most and len(self._waiting) > 1:
            dropped += self._waiting.popleft().duration
        self._seconds -= dropped
        self._wake.set()
        return dropped

    def end(self) -> None:
        """No more comes."""
        self.ended = True
        self._wake.set()

    def clear(self) -> None:
        """Nobody wants it any more."""
        self.ended = True
        self._waiting.clear()
        self._wake.set()

    async def __anext__(self) -> AudioFrame:
        while not self._waiting:
            if self.ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        frame = self._waiting.popleft()
        self._seconds -= frame.duration
        self.given += frame.duration
        return frame


def _parts_of(frame: AudioFrame) -> list[AudioFrame]:
    size = round(_PART * frame.sample_rate)
    if frame.samples_per_channel <= size:
        return [frame] if frame.samples_per_channel else []
    return [
        AudioFrame(frame.sample_rate, np.ascontiguousarray(frame.data[:, start : start + size]))
        for start in range(0, frame.samples_per_channel, size)
    ]


class SessionStream:
    """A recogniser of one stream for each session as one of turns: the pauses are left out.

    Args:
        model: Makes the stream, with the first turn.
    """

    def __init__(self, model: StreamingSTTModel) -> None:
        self._model = model
        self._kept: _Kept | None = None
        """The stream that the latest turn has left; one that overlaps with it has another."""

    async def stream_stt(self, audio: AsyncIterator[AudioFrame]) -> AsyncGenerator[Transcript]:
        """Recognise one turn, on a thread; what it raises ends the stream."""
        thread = SessionThread("stt")
        kept, self._kept = self._kept, None
        try:
            if kept is None:
                kept = _Kept(await thread.run(self._model.stream))
            elif kept.unfinished:
                await kept.call(thread, kept.stream.flush)
            began, kept.unfinished = kept.heard, True
            async for frame in audio:
                kept.heard += frame.duration
                for transcript in await kept.call(thread, kept.stream.push, frame):
                    yield _later(transcript, -began)
            told = await kept.call(thread, kept.stream.flush)
            kept.unfinished = False
            for transcript in told:
                yield _later(transcript, -began)
        finally:
            thread.close()
            if kept is not None and not kept.called:
                self._kept = kept


class _Kept:
    """A stream, of one turn after the other.

    Attributes:
        stream: As above.
        heard: Audio in s that it was given.
        unfinished: Whether it was not flushed since.
        called: Whether a call of it has not returned: then it is lost.
    """

    def __init__(self, stream: STTStream) -> None:
        self.stream = stream
        self.heard = 0.0
        self.unfinished = False
        self.called = False

    async def call(
        self, thread: SessionThread, function: Callable[..., list[Transcript]], *args: Any
    ) -> list[Transcript]:
        self.called = True
        told: list[Transcript] = await thread.run(function, *args)
        self.called = False
        return told


def _later(transcript: Transcript, seconds: float) -> Transcript:
    return transcript._replace(start=transcript.start + seconds, end=transcript.end + seconds)


def as_live(stt: Any) -> LiveSTTModel | None:
    """A recogniser as one of turns, for one session; `None` if it knows whole utterances only."""
    if isinstance(stt, LiveSTTModel):
        return stt
    return SessionStream(stt) if isinstance(stt, StreamingSTTModel) else None
