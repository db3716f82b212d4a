"""Decoded frames of FFmpeg, as int16 samples."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..frames import to_int16
from ..media.audio_graph import AudioGraph

MAX_PLANES = 7
"""Planes that PyAV can count: of eight and more it looks beyond the end of their list."""


class Unpacker:
    """Reads the frames of one stream, whatever their format and layout."""

    def __init__(self) -> None:
        self._packer: AudioGraph | None = None

    def __call__(self, frame: av.AudioFrame) -> NDArray[np.int16]:
        """The samples of a frame, of shape `(channels, samples)`."""
        if frame.format.is_planar and frame.layout.nb_channels > MAX_PLANES:
            packed = [_read(part) for part in self._pack(frame)]
            return np.concatenate(packed, axis=1)
        return _read(frame)

    def _pack(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """The same samples in one plane. It holds nothing back: only their order changes."""
        if self._packer is None:
            self._packer = AudioGraph(
                frame.format.packed.name, frame.layout.name, frame.sample_rate
            )
        frame.pts = None
        return self._packer.push(frame)


def _read(frame: av.AudioFrame) -> NDArray[np.int16]:
    array: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        array = (array.astype(np.int16) - 128) << 8
    elif array.dtype == np.int64:
        array = (array >> 32).astype(np.int32)
    elif array.dtype in (np.float32, np.float64):
        array = np.nan_to_num(array)
    return np.ascontiguousarray(to_int16(array))
