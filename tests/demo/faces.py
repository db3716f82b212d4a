"""A face that nobody has, and that OpenCV's cascade finds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

SKIN, HAIR, SHADE = (150, 175, 215), (30, 40, 50), (70, 85, 110)
WHITE, PUPIL, NOSE, LIPS = (235, 235, 235), (30, 30, 30), (165, 190, 230), (60, 60, 140)


def draw_face(size: tuple[int, int], centre: tuple[int, int], height: int) -> NDArray[Any]:
    """A picture with one face.

    Args:
        size: Width and height of the picture.
        centre: Of the face, from the left and the top.
        height: Of the face.

    Returns:
        `(height, width, 3)`, uint8: blue, green, red.
    """
    import cv2

    picture = np.full((size[1], size[0], 3), (120, 110, 100), np.uint8)
    scale = height / 200

    def ellipse(x: int, y: int, wide: int, high: int, colour: Colour, begin: int = 0) -> None:
        middle = round(centre[0] + scale * x), round(centre[1] + scale * y)
        axes = round(scale * wide), round(scale * high)
        cv2.ellipse(picture, middle, axes, 0, begin, 360, colour, -1)

    ellipse(0, 0, 75, 100, SKIN)
    ellipse(0, -70, 78, 48, HAIR, 180)
    for x in (-32, 32):
        ellipse(x, -18, 20, 8, SHADE)
        ellipse(x, -18, 15, 6, WHITE)
        ellipse(x, -18, 6, 6, PUPIL)
        ellipse(x, -34, 20, 5, HAIR)
    ellipse(0, 18, 9, 26, NOSE)
    for x in (-7, 7):
        ellipse(x, 36, 4, 3, SHADE)
    ellipse(0, 58, 28, 9, LIPS)
    return cv2.GaussianBlur(picture, (0, 0), 2 * scale)
