"""Pictures and sound without an end: what the servers of the downlink benchmark send."""

import av
import numpy as np

WIDTH, HEIGHT, FPS = 640, 480, 30

PAGE = """<!doctype html><meta charset="utf-8"><title>Show</title><link rel="icon" href="data:,">
<video autoplay muted playsinline></video>"""


def pictures() -> list[np.ndarray]:
    """Two seconds of a camera that circles over a landscape of spots, with the grain of its sensor.

    They take as many bits as there are, and fewer if need be, as those of a camera do.
    """
    chance = np.random.default_rng(1)
    spots = av.VideoFrame.from_ndarray(chance.integers(0, 255, (60, 80, 3), np.uint8), "bgr24")
    wide = spots.reformat(2 * WIDTH, 2 * HEIGHT, "bgr24", interpolation="BICUBIC").to_ndarray()
    shown = []
    for number in range(2 * FPS):
        angle = 2 * np.pi * number / (2 * FPS)
        left = int(WIDTH / 2 + 50 * np.cos(angle))
        top = int(HEIGHT / 2 + 50 * np.sin(angle))
        part = wide[top : top + HEIGHT, left : left + WIDTH].astype(np.int16)
        grain = chance.integers(-8, 9, part.shape, np.int16)
        shown.append(np.clip(part + grain, 0, 255).astype(np.uint8))
    return shown


def sound(rate: int = 24_000, seconds: float = 1.0) -> np.ndarray:
    """A tone, `(1, samples)`."""
    time = np.arange(int(rate * seconds)) / rate
    return (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)[None]
