"""Video filter: a plain function turns every picture of your camera into another one."""

from collections.abc import Callable

import gradio as gr
import numpy as np
from _cli import launch
from numpy.typing import NDArray

from fastrtc_core import Stream

Picture = NDArray[np.uint8]  # (height, width, 3), bgr24


def blur(picture: Picture, size: int = 15) -> Picture:
    """The mean of `size` by `size` pixels around each one, from running sums."""
    smooth = picture.astype(np.int32)
    for axis in (0, 1):
        ends = [(0, 0)] * 3
        ends[axis] = (size // 2 + 1, size // 2)
        sums = np.cumsum(np.pad(smooth, ends, mode="edge"), axis=axis, dtype=np.int32)
        low, high = np.split(np.arange(sums.shape[axis]), [size])[0], slice(size, None)
        del low
        upper = sums[high] if axis == 0 else sums[:, high]
        lower = sums[:-size] if axis == 0 else sums[:, :-size]
        smooth = (upper - lower) // size
    return smooth.astype(np.uint8)
