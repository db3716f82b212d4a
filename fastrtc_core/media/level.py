"""How loud audio is."""

from __future__ import annotations

import math

import numpy as np

from ..frames import AudioFrame


def level_of(frame: AudioFrame) -> float:
    """Root mean square of all samples, of 1; 0 without any."""
    samples = frame.data.astype(np.float32)
    power = float(np.vdot(samples, samples)) / max(1, samples.size)
    return math.sqrt(power) / 32768
