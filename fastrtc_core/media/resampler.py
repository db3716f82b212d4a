"""Streaming conversion between sample rates, on FFmpeg's resampler."""

from __future__ import annotations

import math
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from .audio_graph import AudioGraph

_LAYOUTS = {1: "mono", 2: "stereo"}

MAX_TAPS = 150_000
"""Coefficients of a filter that is made in a few ms; the event loop may wait that long."""

_TAPS = 32
_PHASES = 1024
"""Of FFmpeg's filters: the coefficients for one sample, at the lower rate, and how many sets of
them there are at most."""


class Resampler:
    """Converts a stream of int16 samples from one rate to another, state kept between pushes.

    It answers in the same push, all but 16 samples of the lower rate, 2 ms at most; `flush` yields
    the rest.

    Where the lower rate is a small part of the other, and no simple one, the filter would have
    millions of coefficients, and take seconds to make. Such audio is brought to a multiple of the
    lower rate first. Then a few samples more are held back.

    Args:
        in_rate: Rate of what is pushed, in Hz.
        out_rate: Rate of what comes out, in Hz.
        num_channels: 1 or 2, the same on both sides.
    """

    def __init__(self, in_rate: int, out_rate: int, num_channels: int) -> None:
        self.in_rate = in_rate
        self.out_rate = out_rate
        self.num_channels = num_channels
        self._layout = _LAYOUTS[num_channels]
        self._graph = AudioGraph("s16p", self._layout, out_rate)
        self._before: Resampler | None = None
        if _taps(in_rate, out_rate) > MAX_TAPS:
            self._before = Resampler(in_rate, out_rate * (in_rate // out_rate), num_channels)

    def push(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        """Convert samples of shape `(channels, n)`; returns `(channels, m)`."""
        if self.in_rate == self.out_rate or not data.shape[1]:
            return data
        if self._before is not None:
            data = self._before.push(data)
        return self._convert(data)

    def flush(self) -> NDArray[np.int16]:
        """What the filter still holds; the resampler starts afresh after it."""
        if self.in_rate == self.out_rate:
            return np.zeros((self.num_channels, 0), np.int16)
        parts = [] if self._before is None else [self._convert(self._before.flush())]
        parts.append(self._collect(self._graph.flush()))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _convert(self, data: NDArray[np.int16]) -> NDArray[np.int16]:
        if not data.shape[1]:
            return data
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(data), format="s16p", layout=self._layout
        )
        frame.sample_rate = self.in_rate if self._before is None else self._before.out_rate
        return self._collect(self._graph.push(frame))

    def _collect(self, frames: list[av.AudioFrame]) -> NDArray[np.int16]:
        parts: list[NDArray[Any]] = [
            frame.to_ndarray().reshape(self.num_channels, -1) for frame in frames
        ]
        if not parts:
            return np.zeros((self.num_channels, 0), np.int16)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _taps(in_rate: int, out_rate: int) -> int:
    """Coefficients of the filter from one rate to another."""
    phases = min(_PHASES, out_rate // math.gcd(in_rate, out_rate))
    return phases * math.ceil(_TAPS * max(1.0, in_rate / out_rate))
