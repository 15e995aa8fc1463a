"""How long the rows of a bench take on an H200 or H100, from what one round took on an H200.

Sources: 0.803 TFLOP per evaluation of SD 1.x's UNet at 512 × 512 and 2.51 per decoded picture, counted; the rest was
measured (docs/benchmarks/engine_nvidia-h200_quick.md). A UNet of two or three rows takes as long as its launches.
"""

from __future__ import annotations

METHODS = 5
PEAK, EVALUATION, DECODING = 733e12, 0.8033e12, 2.51e12
EAGER, COMPILED = 0.35, 0.52  # of the matrix peak
SMALL_CALL = 0.031  # seconds of a call of two or three rows
ONE_PICTURE = 0.145  # seconds: Pillow's PNG, NudeNet and CLIP, one picture after the other
IMPORTS, WEIGHTS, LOADING, JUDGES = 15.0, 22.0, 5.0, 8.0  # seconds; the weights are made once
COMPILING = 85.0  # seconds per shape
BESIDE = 1.05  # what decoding adds to a row that judges beside


def reference_seconds(key: str, steps: int, images: int) -> float:
    """Return the seconds of a reference with its start-up and one turn."""
    pictures = METHODS * images
    if key == "R1":
        drawing = METHODS * steps * images * SMALL_CALL
    else:
        drawing = 14 * steps * images * EVALUATION / PEAK / (COMPILED if key.startswith("R3") else EAGER)
    after = pictures * (ONE_PICTURE + DECODING / PEAK / EAGER)
    start_up = drawing / steps + after + (LOADING + 2 * COMPILING if key.startswith("R3") else LOADING)
    return start_up + drawing + after


def our_seconds(noises: int, steps: int, *, compiled: bool) -> float:
    """Return the seconds of a row of ours with its start-up, as if no other row had its model, and one turn."""
    step = noises * 604 / 50 * EVALUATION / PEAK / (COMPILED if compiled else EAGER)
    after = noises * METHODS * DECODING / PEAK / EAGER
    start_up = step + after + LOADING + compiled * COMPILING
    return start_up + steps * step * BESIDE + after


def common_seconds() -> float:
    """Return the seconds before the first row: imports, random weights and the judges."""
    return IMPORTS + WEIGHTS + JUDGES
