"""What the load shows, and how it knows it again in what comes back.

A loop of encoded pictures: a texture that moves under the noise of a camera, and a square in it
that changes its shade every `FLASH_EVERY` pictures. It lies in the middle of the height, so that a
picture that is turned upside down shows it in the same place.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 640, 480, 30

FLASH_EVERY = 20
"""Pictures from one shade to the next: 0.67 s."""

SHADES = (16, 126, 235)
"""Luma of the square, in turn; with the third of them the first flash can be told from the next."""

LOOP = 2 * FLASH_EVERY * len(SHADES)
"""Pictures, the first of which is a keyframe; 4 s."""

BIT_RATE = 1_500_000
_ROWS, _COLUMNS = slice(160, 320), slice(64, 224)


def flash_in(number: int) -> int | None:
    """The shade that begins with a picture, if one does."""
    flash, rest = divmod(number, FLASH_EVERY)
    return None if rest else flash % len(SHADES)


def shade_of(frame: av.VideoFrame) -> int:
    """Which shade a picture in `yuv420p` shows."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    # The inner part alone: a coarse encoder draws the edges late.
    seen = float(luma[200:280:4, 104:184:4].mean())
    return min(range(len(SHADES)), key=lambda number: abs(SHADES[number] - seen))


@cache
def loop() -> list[bytes]:
    """The pictures in VP8, the same in every run."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.bit_rate, encoder.time_base = BIT_RATE, Fraction(1, FPS)
    encoder.framerate = Fraction(FPS)
    encoder.gop_size, encoder.thread_count = LOOP, 1
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}
    scaler = VideoReformatter()
    pictures: list[bytes] = []
    random = np.random.default_rng(1)
    texture = _texture(random)
    for number in range(LOOP):
        frame = av.VideoFrame.from_ndarray(_picture(number, texture, random), "bgr24")
        frame = scaler.reformat(frame, format="yuv420p")
        frame.pts, frame.time_base = number, encoder.time_base
        pictures.append(b"".join(bytes(packet) for packet in encoder.encode(frame)))
    return pictures


def _texture(random: np.random.Generator) -> NDArray[np.float64]:
    """Coarse patches of 32 pixels whose edges are soft."""
    coarse = random.integers(40, 215, (30, 40, 3)).astype(float)
    texture = coarse.repeat(32, axis=0).repeat(32, axis=1)
    for axis in (0, 1):
        total = np.cumsum(texture, axis=axis)
        texture = (np.roll(total, -12, axis=axis) - total) / 12
    soft: NDArray[np.float64] = np.clip(texture, 0, 255)
    return soft


def _picture(
    number: int, texture: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.uint8]:
    turn = 2 * np.pi * number / LOOP
    y, x = int(220 + 60 * np.cos(turn)), int(300 + 120 * np.sin(turn))
    picture = texture[y : y + HEIGHT, x : x + WIDTH] + random.normal(0, 2, (HEIGHT, WIDTH, 1))
    shade = SHADES[number // FLASH_EVERY % len(SHADES)]
    picture[_ROWS, _COLUMNS] = (shade - 16) * 255 / 219
    return np.clip(picture, 0, 255).astype(np.uint8)
