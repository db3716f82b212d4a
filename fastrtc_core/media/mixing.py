"""Adding sounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mix(parts: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """The sum of sounds of one shape; what is too loud clips, and never wraps.

    Args:
        parts: At least one.
    """
    if len(parts) == 1:
        return parts[0]
    total = parts[0].astype(np.int32)
    for part in parts[1:]:
        total += part
    return np.clip(total, -32768, 32767).astype(np.int16)
