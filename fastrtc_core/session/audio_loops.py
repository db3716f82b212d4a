"""The two audio loops of a session: frames to `receive`, and what `emit` returns to the playout."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EndOfStreamError, SourceClosedError
from ..frames import FRAME_DURATION, AudioFrame, EmittedAudio, channels_of, read_audio
from ..handler import StreamHandlerBase
from ..media.converter import Converter
from ..outputs import split_emitted
from ..tracks import AudioSource, AudioStream, RemoteAudioTrack
from ..tracks.audio_source import AHEAD
from ..tracks.monitor import Monitor, MonitoredAudioStream
from .calls import UserCall
from .life import Life
from .reports import Reporter
from .types import DeliverExtras

QUEUE_SIZE_MS = 200
"""Audio in ms that may wait to be played before `emit` is held back; more than a handler may lag
behind by default, so that what it catches up with fits in."""


class AudioOutput:
    """Takes what a handler emits, in any rate and layout, into the playout.

    Args:
        source: The playout.
        deliver_extras: Takes what was emitted beside audio.
        on_clear: Called when what waits was discarded.
    """

    def __init__(
        self,
        source: AudioSource,
        deliver_extras: DeliverExtras,
        on_clear: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = self._source = source
        self._deliver_extras = deliver_extras
        self._on_clear = on_clear
        self._converter = Converter(source.sample_rate, source.num_channels)
        self._tail_timer: asyncio.TimerHandle | None = None
        self.floor = asyncio.Lock()
        """Held by who plays something: `emit` and a filter's `receive` for one frame, what `say`
        was given from its beginning to its end."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be played any more."""
        return self._source.closed

    async def deliver(self, emitted: Any) -> bool:
        """Queue what was emitted; waits while the playout is full.

        Returns:
            Whether there was audio in it.

        Raises:
            InvalidFrameError: If it is nothing that can be played.
        """
        value, extras = split_emitted(emitted)
        delivered = False
        if value is not None:
            audio = read_audio(value)
            async with self.floor:
                delivered = await self.play(audio)
        await self._deliver_extras(extras)
        return delivered

    async def play(self, audio: EmittedAudio, ahead: float = AHEAD) -> bool:
        """Queue audio, for who holds the floor; waits while the playout is full.

        It is converted part by part; `clear` discards the rest.

        Args:
            audio: Of any length.
            ahead: Length in s of the queue from which the next part waits.

        Returns:
            Whether there was audio in it.

        Raises:
            InvalidFrameError: If it holds samples that are not a number.
        """
        if not audio.rows.shape[1]:
            return False
        self._cancel_tail()
        await self._source.capture_parts(self._converted(audio), ahead)
        if audio.sample_rate != self._source.sample_rate:
            # What the resampler holds back belongs to this utterance, not to the next.
            wait = self._source.queued_duration + FRAME_DURATION
            self._tail_timer = asyncio.get_running_loop().call_later(wait, self._play_tail)
        return True

    async def wait_for_room(self) -> None:
        """Wait until there is room in the playout, and nothing is being said."""
        while True:
            async with self.floor:
                pass
            await self._source.wait_for_room()
            if not self.floor.locked():
                return

    def flush(self) -> None:
        """Say that an utterance ends here: its last samples are played at once."""
        self._cancel_tail()
        self._play_tail()
        self._source.flush()

    def clear(self) -> None:
        """Discard what waits, the resampler's rest included."""
        self._cancel_tail()
        self._converter.flush()
        self._source.clear_queue()
        self._on_clear()

    def close(self) -> None:
        """Stop the timer of the tail."""
        self._cancel_tail()

    def _converted(self, audio: EmittedAudio) -> Iterator[NDArray[np.int16]]:
        for part in audio.parts():
            yield self._converter.push(part)

    def _play_tail(self) -> None:
        tail = self._converter.flush()
        if tail.shape[1] and self._source.has_room:
            self._source.try_push(AudioFrame(self._source.sample_rate, tail))

    def _cancel_tail(self) -> None:
        if self._tail_timer is not None:
            self._tail_timer.cancel()
            self._tail_timer = None


def open_audio_stream(
    handler: StreamHandlerBase, track: RemoteAudioTrack, monitor: Monitor | None = None
) -> AudioStream:
    """The stream from which `receive` is fed; it drops the oldest when the handler lags."""
    options: dict[str, Any] = {
        "capacity": max(1, math.floor(handler.max_input_latency / FRAME_DURATION)),
        "sample_rate": handler.input_sample_rate,
        "num_channels": channels_of(handler.expected_layout),
    }
    if monitor is not None:
        return MonitoredAudioStream(track, monitor, **options)
    return AudioStream(track, **options)


async def receive_audio(
    receive: UserCall,
    stream: AudioStream,
    output: AudioOutput | None,
    *,
    life: Life,
    reporter: Reporter,
    deliver_extras: DeliverExtras,
) -> None:
    """Feed `receive` frame by frame until the track ends; an exception loses one frame."""
    while not life.ending:
        try:
            frame = await stream.read()
        except EndOfStreamError:
            return
        try:
            result = await receive(frame)
            # Only filters return something; a handler's own `receive` returns nothing.
            if result is not None and output is not None:
                await output.deliver(result)
            elif result is not None:
                await deliver_extras(split_emitted(result)[1])
        except Exception as error:
            if _is_over(error, output):
                return
            reporter.error(error, "receive")


async def emit_audio(
    emit: UserCall, output: AudioOutput, *, life: Life, reporter: Reporter
) -> None:
    """Call `emit` while the playout has room; after nothing or an exception, a frame later."""
    loop = life.loop
    while not life.ending:
        await output.wait_for_room()
        started = loop.time()
        delivered = False
        try:
            delivered = await output.deliver(await emit())
        except Exception as error:
            if _is_over(error, output):
                return
            reporter.error(error, "emit")
        if not delivered:
            await asyncio.sleep(max(0.0, started + FRAME_DURATION - loop.time()))


def _is_over(error: Exception, output: AudioOutput | None) -> bool:
    """Whether nothing can be played any more; a source of the handler's own may be closed, too."""
    return isinstance(error, SourceClosedError) and output is not None and output.closed
