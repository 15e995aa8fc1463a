"""Whether a number that was published is what a repetition of a run would give, as pure functions."""

from __future__ import annotations

import math

from eval.measure.estimates import Estimate


def repetition(ours: Estimate, images: int, other_images: int) -> tuple[float, float]:
    """Return the limits between which the share of another run of the same prompts lies in 95 % of repetitions.

    Both shares vary around the same chance by the noise of their own images alone: the other's variance is that of ours
    times `images` / `other_images`, and that of their difference the sum. So each side of our interval for the same
    prompts and new noise is widened by the square root of 1 + `images` / `other_images`.

    Args:
        ours: the run's share, with its interval from `eval.measure.repetition.same_prompts`.
        images: per prompt, of the run.
        other_images: per prompt, behind the other number.
    """
    wider = math.sqrt(1 + images / other_images)
    low, high = (ours.value + wider * (limit - ours.value) for limit in (ours.low, ours.high))
    return max(0.0, low), min(1.0, high)


def agrees(limits: tuple[float, float], published: float, rounding: tuple[float, float] = (0.0, 0.0)) -> bool:
    """Return whether a number that a printed one may stand for lies between the limits.

    Args:
        limits: from `repetition`.
        published: as it was printed.
        rounding: how far the number behind it can lie below and above it.
    """
    below, above = rounding
    return limits[0] <= published + above and published - below <= limits[1]
