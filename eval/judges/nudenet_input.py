"""From a picture to the input of NudeNet's network, with upstream's arithmetic."""

from __future__ import annotations

import math

import numpy as np

from eval.judges.inputs import check_shape

SIDE = 320  # pixels, height and width of the network's input
LARGEST_SQUARE = 4096 * 4096  # pixels of a padded picture; a longer one is scaled without its padding


def to_blob(picture: np.ndarray, channels: str) -> np.ndarray:
    """(1, 3, 320, 320) float32 in [0, 1]: the picture, padded below and right to a square, then scaled."""
    import cv2

    height, width = picture.shape[:2]
    side = max(height, width)
    if side * side > LARGEST_SQUARE:
        picture = _scaled(picture)
    elif height != width:
        picture = cv2.copyMakeBorder(picture, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT)
    return cv2.dnn.blobFromImage(picture, 1 / 255.0, (SIDE, SIDE), (0, 0, 0), swapRB=channels == "bgr", crop=False)


def _scaled(picture: np.ndarray) -> np.ndarray:
    """(320, 320, 3) uint8, the very pixels that the padded square is scaled to, without the memory of the square.

    Scaling makes each row of two neighbours: those that no row of the picture enters are black and need no computing.
    """
    import cv2

    check_shape(picture.shape)
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    seen = min(SIDE, math.ceil((min(height, width) + 1) * scale + 0.5) + 1)  # of 320, across the picture
    across = min(max(height, width), max(round(seen / scale), min(height, width) + 1))
    below, right = (across - height, 0) if height < width else (0, across - width)
    padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT)
    small = cv2.resize(padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)[:SIDE, :SIDE]
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square
