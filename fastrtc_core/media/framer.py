"""From frames of any rate, layout and length to frames of one rate, layout and length."""

from __future__ import annotations

import numpy as np

from ..frames import AudioFrame
from .converter import Converter
from .samples import SampleBuffer


class Framer:
    """Cuts a stream of frames into frames of exactly `frame_size` samples.

    Args:
        sample_rate: Rate of the frames that come out, in Hz.
        num_channels: Channels of the frames that come out.
        frame_size: Their samples per channel.
    """

    def __init__(self, sample_rate: int, num_channels: int, frame_size: int) -> None:
        self._sample_rate = sample_rate
        self._frame_size = frame_size
        self._buffer = SampleBuffer(num_channels)
        self._converter = Converter(sample_rate, num_channels)

    def push(self, frame: AudioFrame) -> list[AudioFrame]:
        """Add a frame; returns every frame that it completes, none of which shares its memory."""
        data = self._converter.push(frame)
        if data.shape[1] == self._frame_size and not self._buffer.queued:
            return [AudioFrame(self._sample_rate, np.array(data, order="C"))]
        self._buffer.push(data)
        return [self._cut() for _ in range(self._buffer.queued // self._frame_size)]

    def flush(self) -> list[AudioFrame]:
        """What is left, the last frame padded with silence."""
        self._buffer.push(self._converter.flush())
        return [self._cut() for _ in range(-(-self._buffer.queued // self._frame_size))]

    def _cut(self) -> AudioFrame:
        data = self._buffer.take(self._frame_size)
        missing = self._frame_size - data.shape[1]
        return AudioFrame(
            self._sample_rate, np.pad(data, ((0, 0), (0, missing))) if missing else data
        )
