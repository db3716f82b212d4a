"""A limiter: keeps a sum of voices below full scale without the crackle of clipping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CEILING = 0.9 * 32767

RELEASE = 0.02
"""By how much the gain may rise in 20 ms, of 1: a second from half the level to all of it."""


class Limiter:
    """Turns the level down at once, and slowly up again; for one stream, frame by frame."""

    def __init__(self) -> None:
        self._gain = 1.0

    def push(self, total: NDArray[np.int32]) -> NDArray[np.int16]:
        """Limit a frame of shape `(channels, n)`; returns it as int16.

        The gain goes in a straight line from that of the frame before, so that it makes no step;
        what is still too loud on the way clips.
        """
        peak = float(np.abs(total).max(initial=0))
        target = min(1.0, self._gain + RELEASE)
        if peak * target > CEILING:
            target = CEILING / peak
        if self._gain == target == 1.0:
            return total.astype(np.int16)
        gains = np.linspace(self._gain, target, total.shape[1])
        self._gain = target
        return np.clip(total * gains, -32768, 32767).astype(np.int16)
