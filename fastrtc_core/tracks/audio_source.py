"""`AudioSource`: what a local audio track plays."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError, InvalidFrameError, QueueFullError, SourceClosedError
from ..frames import AudioFrame, EmittedAudio, samples_per_frame
from ..media.pacing import MAX_GRACE, QueueState
from ..media.playout import Playout, PlayoutStatistics
from ..media.sent_speech import SentSpeech
from .signal import Signal

AUDIBLE = 65
"""Sample from which on there is sound: 0.002 of full scale, as in the browser client."""

AHEAD = 60.0
"""Length in s up to which one call may fill the queue with audio that comes in parts."""


class AudioSource:
    """A bounded queue of audio: user code pushes, a local track pulls at the pace of its clock.

    It belongs to the event loop on which it is used; every method is called there.

    Args:
        sample_rate: Rate of the frames in Hz; 20 ms of it must be a whole number of samples.
        num_channels: 1 or 2.
        queue_size_ms: Length in ms above which producers are held back. One frame may exceed it by
            up to a minute, so that a frame of any length can be pushed.

    Raises:
        ConfigurationError: If an argument is out of range.
    """

    def __init__(
        self, sample_rate: int = 48000, num_channels: int = 1, queue_size_ms: int = 1000
    ) -> None:
        try:
            samples_per_frame(sample_rate)
        except InvalidFrameError as error:
            raise ConfigurationError(str(error)) from None
        if num_channels not in (1, 2) or queue_size_ms < 1:
            raise ConfigurationError("a source has 1 or 2 channels and a queue of at least 1 ms")
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self._capacity = max(1, sample_rate * queue_size_ms // 1000)
        self._playout = Playout(num_channels)
        self._waiting: deque[tuple[asyncio.Future[None], NDArray[np.int16], object | None]] = (
            deque()
        )
        self._taken: object | None = None
        """The audio that is being taken part by part; until its end there is room for no other."""
        self._changed = Signal()
        self._last_push = 0.0
        self._interval = 0.0
        self._since = 0.0
        self._flushed = False
        self._paused = False
        self._resumed = False
        self._closed = False
        self._sent: SentSpeech | None = None
        self._awaited: _AwaitedSound | None = None

    @property
    def queued_duration(self) -> float:
        """How much waits to be played, in s."""
        return self._playout.queued / self.sample_rate

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    @property
    def paused(self) -> bool:
        """Whether `pause` was called, and `resume` was not."""
        return self._paused

    @property
    def has_room(self) -> bool:
        """Whether a push would be taken at once."""
        room = self._playout.queued < self._capacity
        return room and not self._waiting and self._taken is None

    @property
    def played(self) -> int:
        """How many samples per channel were played so far."""
        return self._playout.played

    def statistics(self) -> PlayoutStatistics:
        """The ledger: pushed = played + queued + cleared, in samples per channel."""
        return self._playout.statistics()

    async def capture_frame(self, frame: AudioFrame) -> None:
        """Queue a frame; waits while the queue is full, in the order of the calls.

        A frame that waits here when `clear_queue` is called is discarded with the rest. A call
        that is cancelled while it waits has queued nothing; of a frame that is longer than half a
        second, it may have queued a part.

        Raises:
            InvalidFrameError: If the rate or the number of channels is not the source's.
            SourceClosedError: If the source is closed, or is closed while the call waits.
        """
        self._check(frame)
        audio = EmittedAudio(*frame)
        await self.capture_parts(part.data for part in audio.parts())

    async def capture_parts(self, parts: Iterable[NDArray[np.int16]], ahead: float = AHEAD) -> None:
        """Queue audio that is made part by part, like one frame in `capture_frame`.

        Between two parts, the event loop has its turn. What others push comes before the first
        part or after the last. `clear_queue` discards the rest, which is not even made.

        Args:
            parts: Samples of shape `(num_channels, n)` at the rate of the source.
            ahead: Length in s of the queue from which the next part waits; it also waits where
                the queue is full, if that is more.

        Raises:
            SourceClosedError: If the source is closed, or is closed while the call waits.
            Exception: Whatever making a part raises.
        """
        iterator = iter(parts)
        first, second = next(iterator, None), next(iterator, None)
        if first is None:
            return
        if second is None:
            await self._admit(first)
            return
        mine = object()
        limit = max(self._capacity, round(ahead * self.sample_rate))
        try:
            await self._admit(first, mine)
            for part in chain((second,), iterator):
                await asyncio.sleep(0)
                while self._taken is mine and self._playout.queued >= limit:
                    await self._changed.wait()
                if self._closed:
                    raise SourceClosedError("the source was closed")
                if self._taken is not mine:
                    return
                self._push(part, continued=True)
        finally:
            if self._taken is mine:
                self._taken = None
                self._admit_waiting()
                self._changed.notify()

    async def _admit(self, data: NDArray[np.int16], more: object | None = None) -> None:
        """Queue samples when it is their turn; with `more`, what follows belongs to them."""
        if self._closed:
            raise SourceClosedError("the source is closed")
        if self.has_room:
            self._push(data)
            self._taken = more
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (future, data, more)
        self._waiting.append(entry)
        try:
            await future
        except asyncio.CancelledError:
            # Cancelled between the admission of the frame and the return: it stays queued.
            if entry in self._waiting:
                self._waiting.remove(entry)
            raise

    def try_push(self, frame: AudioFrame) -> None:
        """Queue a frame without waiting.

        Raises:
            QueueFullError: If the queue is full.
            InvalidFrameError: If the rate or the number of channels is not the source's.
            SourceClosedError: If the source is closed.
        """
        self._check(frame)
        if not self.has_room:
            raise QueueFullError(f"{self.queued_duration:.3f} s of audio are queued already")
        self._push(frame.data)

    def pause(self) -> None:
        """Let nothing be pulled until `resume`: what is queued waits, and producers with it."""
        self._paused = True

    def resume(self) -> None:
        """Go on where `pause` left off; idempotent."""
        if self._paused:
            self._paused = False
            self._resumed = True
            self._changed.notify()

    def keep_speech(self) -> None:
        """Keep speech for some seconds after it was pulled, for `put_back`."""
        self._sent = SentSpeech()

    def begin_speech(self) -> None:
        """What is queued from now on is speech, until `end_speech`."""
        if self._sent is not None:
            self._sent.begin(self._playout.played, self._playout.queued)

    def end_speech(self) -> None:
        """What is queued from now on is not."""
        if self._sent is not None:
            self._sent.end(self._playout.played)

    def put_back(self, since: float) -> float:
        """Queue the speech that was pulled after this loop time (s) once more, before all else.

        Returns:
            How much that is, in s: none without `keep_speech`.
        """
        if self._sent is None or self._closed:
            return 0.0
        count = 0
        for data in reversed(self._sent.take_back(since, self._playout.played)):
            self._playout.put_back(data)
            count += data.shape[1]
        if count:
            self._resumed = True
            self._changed.notify()
        return count / self.sample_rate

    def await_sound(self, leaves: Callable[[float], None], sounds: Callable[[float], None]) -> None:
        """Look once for the first sound of what is queued from now on, in place of any before.

        Args:
            leaves: Called with the loop time (s) at which the first of it is pulled.
            sounds: Called with that of its first sample that can be heard: where that is not the
                first of its frame, a little ahead of time.
        """
        position = self._playout.played + self._playout.queued
        self._awaited = _AwaitedSound(position, leaves, sounds)

    def flush(self) -> None:
        """Say that what is queued ends here: its last, short frame is padded and played at once."""
        self._flushed = True
        self._changed.notify()

    def clear_queue(self) -> None:
        """Discard everything that waits, in the queue and in calls of `capture_frame`."""
        self._playout.clear()
        if self._awaited is not None:
            self._awaited.position = min(self._awaited.position, self._playout.played)
        if self._sent is not None:
            self._sent.clear(self._playout.played)
        self._taken = None
        for future, data, _ in self._waiting:
            if not future.done():
                self._playout.discard(data)
                future.set_result(None)
        self._waiting.clear()
        self._changed.notify()

    async def wait_for_room(self) -> None:
        """Wait until a push would be taken at once, or the source is closed."""
        while not (self.has_room or self._closed):
            await self._changed.wait()

    async def wait_for_playout(self) -> None:
        """Wait until everything that was queued has been pulled or cleared, or it is closed."""
        while (self._playout.queued or self._waiting or self._taken) and not self._closed:
            await self._changed.wait()

    async def wait_for_change(self) -> None:
        """Wait until something is queued, pulled or cleared, or the source is closed."""
        await self._changed.wait()

    async def aclose(self) -> None:
        """Close the source: discards what waits; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._playout.clear()
        self._taken = None
        for future, data, _ in self._waiting:
            if not future.done():
                self._playout.discard(data)
                future.set_exception(SourceClosedError("the source was closed"))
        self._waiting.clear()
        self._changed.notify()

    # The side of the track

    def _state(self) -> QueueState:
        return QueueState(
            0 if self._paused else self._playout.queued,
            self._last_push,
            self._flushed,
            # What waited through a pause is played at its own pace, and not to catch up.
            full=self._resumed or not self.has_room,
            interval=self._interval,
            since=self._since,
        )

    def _pull(self, count: int) -> NDArray[np.int16]:
        played = self._playout.played
        data = self._playout.pull(count)
        if self._sent is not None:
            now = asyncio.get_running_loop().time()
            self._sent.note(now, played, data[:, : self._playout.played - played])
        if self._awaited is not None:
            self._look(self._awaited, played, data)
        if not self._playout.queued:
            self._flushed = self._resumed = False
        self._admit_waiting()
        self._changed.notify()
        return data

    def _look(self, awaited: _AwaitedSound, played: int, data: NDArray[np.int16]) -> None:
        """Look for the first sound in a frame that follows so many samples."""
        skipped = max(0, awaited.position - played)
        own = data[:, skipped:]
        if not own.shape[1]:
            return
        now = asyncio.get_running_loop().time()
        if not awaited.left:
            awaited.left = True
            awaited.leaves(now)
        audible = np.flatnonzero((own > AUDIBLE).any(axis=0) | (own < -AUDIBLE).any(axis=0))
        if audible.size:
            self._awaited = None
            awaited.sounds(now + (skipped + int(audible[0])) / self.sample_rate)

    def _admit_waiting(self) -> None:
        """Queue what waits, as far as there is room."""
        while self._waiting and self._taken is None and self._playout.queued < self._capacity:
            future, data, more = self._waiting.popleft()
            if not future.done():
                self._push(data)
                self._taken = more
                future.set_result(None)

    def _push(self, data: NDArray[np.int16], *, continued: bool = False) -> None:
        if not data.shape[1]:
            return  # an empty frame must not hold up the tail of those before
        self._playout.push(data)
        now = asyncio.get_running_loop().time()
        interval = now - self._last_push
        if continued:
            pass  # it came with the part before
        elif interval > MAX_GRACE:
            self._interval = 0.0
        elif interval > 0.001:  # not within one burst
            self._interval = interval
        self._last_push = now
        if self._playout.queued == data.shape[1]:
            self._since = now
        self._flushed = False
        self._changed.notify()

    def _check(self, frame: AudioFrame) -> None:
        if self._closed:
            raise SourceClosedError("the source is closed")
        if frame.sample_rate != self.sample_rate or frame.num_channels != self.num_channels:
            raise InvalidFrameError(
                f"the source takes {self.sample_rate} Hz and {self.num_channels} channel(s), "
                f"not {frame.sample_rate} Hz and {frame.num_channels}"
            )


class _AwaitedSound:
    """Who waits for the first sound after a position, in samples that were played."""

    def __init__(
        self, position: int, leaves: Callable[[float], None], sounds: Callable[[float], None]
    ) -> None:
        self.position = position
        self.leaves = leaves
        self.sounds = sounds
        self.left = False
