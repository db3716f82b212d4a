"""`MicrophoneSource`: the sound card, through PortAudio."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from ..extras import import_extra
from ..frames import FRAME_DURATION
from .block import Block
from .paced import check_format
from .source import Source

CAPACITY = 50
"""Blocks that wait for the callback; then the oldest are dropped."""

POLL = 0.2
"""How often in s it is looked whether the device still runs when nothing comes."""

TOLERANCE = 0.005
"""How far in s the clock of the device may be off before samples are taken to be lost."""


class MicrophoneSource(Source):
    """Records from an input device; needs the extra `microphone` and PortAudio.

    Args:
        device: Its name, part of it, or its number; the system's default without one. `python -m
            sounddevice` lists them.
        sample_rate: In Hz.
        num_channels: Number of channels.
        block_duration: Length of a block in s.

    Raises:
        ConfigurationError: If an argument makes no sense, or the extra or PortAudio is missing.

    Attributes:
        dropped: Blocks that were lost because the callback was slow.
        overflows: How often the system lost samples because this process was slow.
    """

    def __init__(
        self,
        device: str | int | None = None,
        *,
        sample_rate: int = 48000,
        num_channels: int = 1,
        block_duration: float = FRAME_DURATION,
    ) -> None:
        super().__init__()
        check_format(sample_rate, num_channels)
        self.device = device
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self.dropped = 0
        self.overflows = 0
        self._block_size = max(1, round(sample_rate * block_duration))
        self._sounddevice = import_extra(
            "sounddevice",
            extra="microphone",
            used_by="MicrophoneSource",
            hint="; it needs PortAudio as well, on Debian the package libportaudio2",
        )

    def _run(self) -> None:
        recording = _Recording(self.sample_rate, self._stopping_wakes)
        try:
            stream = self._sounddevice.InputStream(
                device=self.device,
                samplerate=self.sample_rate,
                channels=self.num_channels,
                blocksize=self._block_size,
                dtype="int16",
                callback=recording.take,
            )
        except (self._sounddevice.PortAudioError, ValueError) as error:
            which = "the default microphone" if self.device is None else f"{self.device!r}"
            raise SourceError(
                f"{which} cannot be opened: {error}; `python -m sounddevice` lists the devices"
            ) from None
        self._at_stop.add(recording.wake)
        try:
            with stream:
                while self._continue:
                    block = recording.next()
                    self.dropped, self.overflows = recording.dropped, recording.overflows
                    if block is not None:
                        self._emit(block)
                    elif not stream.active and self._continue:
                        raise SourceError("the microphone has stopped: was it unplugged?")
        finally:
            self._at_stop.discard(recording.wake)

    def _stopping_wakes(self) -> bool:
        return not self._continue


class _Recording:
    """What PortAudio's thread hands over, in a bounded queue: no user code runs on that thread."""

    def __init__(self, sample_rate: int, is_stopping: Any) -> None:
        self.dropped = 0
        self.overflows = 0
        self._rate = sample_rate
        self._is_stopping = is_stopping
        self._blocks: deque[Block] = deque()
        self._changed = threading.Condition()
        self._pts = 0
        self._due: float | None = None
        self._lost = False

    def take(self, data: NDArray[np.int16], count: int, time: Any, status: Any) -> None:
        """The callback of PortAudio, which uses `data` again when it returns."""
        if status.input_overflow:
            self._skip(time.inputBufferAdcTime)
        block = Block(np.array(data.T, order="C"), self._rate, self._pts, self._lost)
        self._lost = False
        self._pts += count
        self._due = time.inputBufferAdcTime + count / self._rate
        with self._changed:
            self._blocks.append(block)
            if len(self._blocks) > CAPACITY:
                lost = self._blocks.popleft()
                self.dropped += 1
                following = self._blocks[0]
                self._blocks[0] = Block(following.data, lost.sample_rate, following.pts, True)
            self._changed.notify()

    def _skip(self, now: float) -> None:
        """Samples were lost: the sample clock goes on by as much as the device's clock did."""
        self.overflows += 1
        self._lost = True
        if self._due is not None and now - self._due > TOLERANCE:
            self._pts += round((now - self._due) * self._rate)

    def next(self) -> Block | None:
        """The oldest block; `None` after a while, or when the source is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._is_stopping(), POLL)
            return self._blocks.popleft() if self._blocks else None

    def wake(self) -> None:
        """Let `next` return."""
        with self._changed:
            self._changed.notify()
