"""`Recorder`: what was said, heard and seen, in a file."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import queue
import threading
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Literal, Self

import av

from ...errors import ConfigurationError
from ...frames import AudioFrame
from ...media.converter import Converter
from ...media.timeline import Timeline, mixed
from ..track import Track
from .recording_file import RecordingFile, format_of

logger = logging.getLogger(__name__)

Side = Literal["left", "right", "both"]

SETTLE = 2.0
"""Time in s by which sound may be late, after a stall, and still be recorded where it belongs."""

INTERVAL = 0.5
"""Time in s from one write to the next."""

CAPACITY = 256
"""Writes that may wait for the disk; then what comes is lost, and counted."""


class Recorder:
    """Records tracks as they are heard: what was received, and what was really sent.

    What was cleared before it left, by an interruption for example, is not in it, nor what had left
    but a client was told to discard before it can have played it: see `docs/tracks.md`. Time goes
    on where all are silent. It is written on a thread.

    Args:
        path: The file, `.wav`, `.flac`, `.ogg`, `.opus`, `.m4a`, `.mp4` or `.webm`; it is replaced.
        sample_rate: Of the recording, in Hz.
        mono: Whether everybody is mixed, instead of left and right.
        video_size: Width and height of the pictures, which are scaled to it; without it there are
            none. Only for `.mp4` and `.webm`.

    Raises:
        ConfigurationError: If the file cannot be of this kind.

    Attributes:
        dropped: Writes that were lost because the disk was too slow.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        sample_rate: int = 48000,
        mono: bool = False,
        video_size: tuple[int, int] | None = None,
    ) -> None:
        self.path = Path(path)
        format_of(self.path, video=video_size is not None)
        self.sample_rate = sample_rate
        self.dropped = 0
        self._mono = mono
        self._video_size = video_size
        self._timeline = Timeline(sample_rate, sides=2)
        self._readers: list[tuple[Track[AudioFrame] | Track[av.VideoFrame], _Ear | _Eye]] = []
        self._work: queue.Queue[Callable[[RecordingFile], None] | None] = queue.Queue(CAPACITY)
        self._finished: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._timer: asyncio.TimerHandle | None = None
        self._started: float | None = None
        self._closed = False

    @property
    def duration(self) -> float:
        """Length of what was recorded so far, in s."""
        return self._timeline.taken / self.sample_rate

    async def start(self) -> None:
        """Begin; the recording starts now.

        Raises:
            OSError: If the file cannot be written.
            ConfigurationError: If it was started before.
        """
        if self._started is not None:
            raise ConfigurationError("a recorder is started once")
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        threading.Thread(
            target=self._write, args=(opened,), name=f"record-{self.path.name}", daemon=True
        ).start()
        try:
            await asyncio.wrap_future(opened)
        except BaseException:
            self._closed = True
            self._work.put(None)
            raise
        self._timer = self._loop.call_later(INTERVAL, self._tick)

    def add(self, track: Track[AudioFrame] | Track[av.VideoFrame], side: Side = "both") -> None:
        """Record a track from now on; a track of video is the picture.

        Raises:
            ConfigurationError: If the recorder is not running, or has no pictures.
        """
        if self._started is None or self._closed:
            raise ConfigurationError("tracks are added while a recorder is running")
        reader: _Ear | _Eye
        if track.kind == "audio":
            reader = _Ear(self, side)
        elif self._video_size is not None:
            reader = _Eye(self)
        else:
            raise ConfigurationError("a recorder of video needs a video_size")
        self._readers.append((track, reader))
        track._attach(reader)  # type: ignore[arg-type]

    async def aclose(self) -> None:
        """Record no more and finish the file; idempotent.

        Raises:
            OSError: If something could not be written.
        """
        if not self._closed and self._started is not None:
            self._closed = True
            for track, reader in self._readers:
                track._detach(reader)  # type: ignore[arg-type]
            if self._timer is not None:
                self._timer.cancel()
            self._take(self._now())
            await self._loop.run_in_executor(None, self._work.put, None)
        if self._started is not None:
            await asyncio.shield(asyncio.wrap_future(self._finished))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    # On the event loop

    def _see(self, frame: av.VideoFrame) -> None:
        assert self._started is not None
        time = self._loop.time() - self._started
        self._put(lambda file: file.write_picture(frame, time))

    def _now(self) -> int:
        assert self._started is not None
        return round((self._loop.time() - self._started) * self.sample_rate)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(INTERVAL, self._tick)
        self._take(self._now() - round(SETTLE * self.sample_rate))

    def _take(self, until: int) -> None:
        sides = self._timeline.take(until)
        if sides.shape[1]:
            data = mixed(sides) if self._mono else sides
            self._put(lambda file: file.write_sound(data))

    def _put(self, work: Callable[[RecordingFile], None]) -> None:
        try:
            self._work.put_nowait(work)
        except queue.Full:
            if not self.dropped:
                logger.warning("%s: the disk is too slow; parts of it are lost", self.path)
            self.dropped += 1

    # On the thread

    def _write(self, opened: concurrent.futures.Future[None]) -> None:
        try:
            channels = 1 if self._mono else 2
            file = RecordingFile(self.path, self.sample_rate, channels, self._video_size)
        except BaseException as error:
            opened.set_exception(error)
            self._finished.set_result(None)
            return
        opened.set_result(None)
        failure: BaseException | None = None
        while (work := self._work.get()) is not None:
            if failure is None:
                try:
                    work(file)
                except BaseException as error:
                    logger.error("%s: %s", self.path, error)
                    failure = error
        try:
            file.close()
        except BaseException as error:
            failure = failure or error
        if failure is None:
            self._finished.set_result(None)
        else:
            self._finished.set_exception(failure)


class _Ear:
    """Hears a track."""

    def __init__(self, recorder: Recorder, side: Side) -> None:
        if side not in ("left", "right", "both"):
            raise ConfigurationError(f"a side is left, right or both, not {side!r}")
        self._recorder = recorder
        sides = {"left": (0,), "right": (1,), "both": (0, 1)}[side]
        self._lanes = [recorder._timeline.add(side) for side in sides]
        # A track on both sides keeps its own left and right.
        self._converter = Converter(recorder.sample_rate, len(sides))
        self._rate = recorder.sample_rate
        """Of what comes, in Hz."""

    def _push(self, frame: AudioFrame) -> None:
        self._rate = frame.sample_rate
        data = self._converter.push(frame)
        now = self._recorder._now()
        for number, lane in enumerate(self._lanes):
            lane.push(data[number : number + 1], now)

    def _take_back(self, count: int) -> None:
        # What the resampler holds back is the end of it, and was not recorded yet.
        held = self._converter.flush().shape[1]
        count = round(count * self._recorder.sample_rate / self._rate) - held
        for lane in self._lanes:
            lane.take_back(max(0, count))

    def _end(self) -> None:
        """The recording goes on without it."""
        for lane in self._lanes:
            lane.closed = True


class _Eye:
    """Sees a track."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def _push(self, frame: av.VideoFrame) -> None:
        self._recorder._see(frame)

    def _end(self) -> None:
        """The recording goes on."""
