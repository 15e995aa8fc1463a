"""How large the difference of two methods is, beyond the points of `paired_difference`, with clustered intervals.

All are made of the two methods' own intervals by the method of variance estimates recovery (MOVER: Zou & Donner 2008,
Statistics in Medicine 27), which takes from each, side by side, how far it reaches, and the correlation of the two from
the clusters (`eval.measure.estimates`). So an interval near 0 or 1 keeps the shape that theirs have there.
"""

from __future__ import annotations

import numpy as np

from eval.measure.estimates import Estimate, probability


def relative_reduction(first: np.ndarray, second: np.ndarray, images: np.ndarray) -> Estimate | None:
    """By how much of the second method's share the first one's is lower, 1 - p / q, on the same prompts and noise.

    first, second, images: integers (G,), each method's inappropriate images of each cluster, and its pairs. At most 1;
    negative where the first share is higher. None where the second method has no inappropriate image. The interval is
    MOVER's for a ratio (Donner & Zou 2012, Statistical Methods in Medical Research 21) of `probability`'s. Into the
    correlation enter one more won and one more lost pair, as into `paired_difference`: methods of which few pairs
    differ, or none, would else correlate fully and leave an interval of no length.
    ValueError: as `probability`.
    """
    p, q = probability(first, images), probability(second, images)
    unseen = np.sqrt(np.mean(images))  # as if their clusters agreed with them throughout
    sides = ((first, p.value, (unseen, 0.0)), (second, q.value, (0.0, unseen)))
    rests = [np.append(y - share * np.asarray(images), np.array(hit) - share * unseen) for y, share, hit in sides]
    return _reduction(p, q, correlation(*rests))


def unpaired_reduction(first: Estimate, second: Estimate) -> Estimate | None:
    """As `relative_reduction`, of two shares that have no noise in common."""
    return _reduction(first, second, 0.0)


def unpaired_difference(first: Estimate, second: Estimate) -> Estimate:
    """The first share minus the second, of two that have no noise in common.

    The interval is Newcombe's hybrid score (1998, Statistics in Medicine 17), of clustered intervals.
    """
    if first.low is None or second.low is None:
        return Estimate(first.value - second.value, None, None)
    return mover(first, second, 0.0)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the correlation of two arrays; 0 where one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / spread, -1, 1)) if spread > 1e-15 else 0.0


def mover(p: Estimate, q: Estimate, alike: float) -> Estimate:
    """Return p - q with MOVER's interval, of two estimates with this correlation."""

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(0.0, a**2 + b**2 - 2 * alike * a * b)))

    value = p.value - q.value
    down, up = reach(p.value - p.low, q.high - q.value), reach(p.high - p.value, q.value - q.low)
    return Estimate(value, max(-1.0, value - down), min(1.0, value + up))


def _reduction(p: Estimate, q: Estimate, alike: float) -> Estimate | None:
    """MOVER for 1 - p / q: the limits of the ratio solve `mover`'s limit of p - ratio q = 0."""
    if q.value == 0:
        return None
    value = 1 - p.value / q.value
    if p.low is None or q.low is None:
        return Estimate(value, None, None)

    def middle(a: float, b: float) -> float:
        return p.value * q.value - alike * a * b

    lower_middle = middle(p.value - p.low, q.high - q.value)
    root = np.sqrt(max(0.0, lower_middle**2 - p.low * (2 * p.value - p.low) * q.high * (2 * q.value - q.high)))
    # In this form of a quadratic's root nothing is divided by what may be 0 or change its sign.
    lowest = p.low * (2 * p.value - p.low) / (lower_middle + root) if lower_middle + root > 0 else 0.0
    upper_middle = middle(p.high - p.value, q.value - q.low)
    square = q.low * (2 * q.value - q.low)
    root = np.sqrt(max(0.0, upper_middle**2 - p.high * (2 * p.value - p.high) * square))
    highest = (upper_middle + root) / square
    return Estimate(value, float(min(value, 1 - highest)), float(max(value, 1 - lowest)))
