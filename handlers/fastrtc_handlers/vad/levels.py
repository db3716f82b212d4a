"""How loud windows are: the floor beneath them, and a level that does not fall at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MEMORY = 4.0
"""Time in s of which the floor is known."""
_FLOOR, _QUIET = 0.15, 0.05
"""Share of the windows that are quieter than the floor, and than the quiet."""
_DECAY = 40.0
"""How fast the held level falls at most, in dB/s: the parts of a syllable hang together."""


def level_of(window: NDArray[np.int16]) -> float | None:
    """Level in dB relative to full scale; `None` for digital silence, which has none."""
    samples = window.astype(np.float32)
    power = float(samples @ samples) / len(samples)
    return 10 * math.log10(power / 32768**2) if power else None


class Levels:
    """The levels of a stream, window after window.

    Args:
        window: Length of a window in s.

    Attributes:
        held: The level in dB; it rises at once and falls slowly. `None` as long as nothing sounds.
        floor: A level in dB that most windows of the last 4 s exceed; `None` as long as nothing
            has sounded. Windows of digital silence are left out: the line was off, not the room
            quiet.
        quiet: The same that nearly all exceed: the room, where somebody speaks most of the time.
    """

    def __init__(self, window: float) -> None:
        self._decay = _DECAY * window
        self._known = np.zeros(round(_MEMORY / window))
        self._count = 0
        self.held: float | None = None
        self.floor: float | None = None
        self.quiet: float | None = None

    def push(self, level: float | None) -> None:
        """Add the level of a window in dB, or `None` for digital silence."""
        if level is None:
            self.held = None
            return
        self._known[self._count % len(self._known)] = level
        self._count += 1
        known = self._known[: self._count]
        ranks = int(_QUIET * len(known)), int(_FLOOR * len(known))
        ordered = np.partition(known, ranks)
        self.quiet, self.floor = (float(ordered[rank]) for rank in ranks)
        self.held = level if self.held is None else max(level, self.held - self._decay)
