"""Echo cancellation and noise suppression by WebRTC's audio processing, of the extra `ear`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrtc_core.toolkit import import_extra

from .levels import HOP, RATE
from .path import LAGS

_COMES = 5
"""Hops by which the echo lies behind the reference that the canceller gets."""

_NEAREST = 1
_FARTHEST = 19
"""Between these it may wander: the canceller follows by itself. Beyond, the reference is moved."""


_DITHER = np.random.default_rng(1).integers(-1, 2, HOP).astype(np.int16)
"""What the canceller gets for digital silence: samples of at most 1 in 32768.

Its filters would fade towards 0 through numbers so small that a processor takes ten times as long
for each of them: 2.4 ms for a hop, 0.2 otherwise.
"""


def _package() -> Any:
    return import_extra("pywebrtc_audio", extra="ear", used_by="an Ear that cancels echoes")


class EchoCanceller:
    """Takes the echo of what was played out of what a microphone hears.

    WebRTC's canceller finds delays of up to 0.4 s by itself, and takes seconds to find one anew.
    So the reference is held back until the echo comes shortly after it.

    Raises:
        ConfigurationError: If the extra is not installed.
    """

    def __init__(self) -> None:
        self._canceller = _package().EchoCanceller(sample_rate=RATE)
        self._played = np.zeros((LAGS, HOP), np.int16)
        self._shift = 0

    def push(
        self, near: NDArray[np.int16], far: NDArray[np.int16], delay: int | None, audible: bool
    ) -> NDArray[np.int16]:
        """Add `HOP` samples of both.

        Args:
            near: What the microphone hears.
            far: What was played meanwhile.
            delay: In hops, by which the echo is known to be late.
            audible: Whether there is anything that could come back.
        """
        self._played[1:] = self._played[:-1]
        self._played[0] = far
        if delay is not None and not _NEAREST <= delay - self._shift <= _FARTHEST:
            self._shift = max(0, delay - _COMES)
        if not audible:
            return near  # what it has learned stays as it is
        played = self._played[self._shift]
        silent = not near.any()
        cleaned = self._canceller.process(
            _DITHER if silent else near, played.copy() if played.any() else _DITHER
        )
        return near if silent else np.asarray(cleaned, np.int16)


class NoiseSuppressor:
    """Takes steady noise out of what a microphone hears.

    Args:
        level: 0 to 3: by at most 6, 12, 18 or 21 dB.

    Raises:
        ConfigurationError: If the extra is not installed.
    """

    def __init__(self, level: int) -> None:
        self._suppressor = _package().NoiseSuppressor(sample_rate=RATE, level=level)

    def push(self, near: NDArray[np.int16]) -> NDArray[np.int16]:
        """Add `HOP` samples."""
        return np.asarray(self._suppressor.process(near), np.int16)
