"""How large the difference of two methods is, beyond the points of `paired_difference`, with clustered intervals.

All are made of the two methods' own intervals by the method of variance estimates recovery (MOVER: Zou & Donner 2008,
Statistics in Medicine 27), which takes from each, side by side, how far it reaches, and the correlation of the two from
the prompts. So an interval near 0 or 1 keeps the shape that Wilson's has there.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from eval.measure.estimates import Estimate, maximum_weights, probability


def relative_reduction(first: np.ndarray, second: np.ndarray, images: np.ndarray) -> Estimate | None:
    """By how much of the second method's share the first one's is lower, 1 - p / q, on the same prompts and noise.

    first, second, images: integers (P,), each method's inappropriate images of each prompt, and its pairs. At most 1;
    negative where the first share is higher. None where the second method has no inappropriate image. The interval is
    MOVER's for a ratio (Donner & Zou 2012, Statistical Methods in Medical Research 21) of `probability`'s. Into the
    correlation enter one more won and one more lost pair, as into `paired_difference`: methods of which few pairs
    differ, or none, would else correlate fully and leave an interval of no length.
    ValueError: as `probability`.
    """
    p, q = probability(first, images), probability(second, images)
    unseen = np.sqrt(np.mean(images))  # as if their prompts agreed with them throughout
    sides = ((first, p.value, (unseen, 0.0)), (second, q.value, (0.0, unseen)))
    rests = [np.append(y - share * np.asarray(images), np.array(hit) - share * unseen) for y, share, hit in sides]
    return _reduction(p, q, _correlation(*rests))


def unpaired_reduction(first: Estimate, second: Estimate) -> Estimate | None:
    """As `relative_reduction`, of two shares that have no noise in common."""
    return _reduction(first, second, 0.0)


def unpaired_difference(first: Estimate, second: Estimate) -> Estimate:
    """The first share minus the second, of two that have no noise in common.

    The interval is Newcombe's hybrid score (1998, Statistics in Medicine 17), of clustered intervals.
    """
    if first.low is None or second.low is None:
        return Estimate(first.value - second.value, None, None)
    return _difference(first, second, 0.0)


def expected_max_difference(
    first: np.ndarray, second: np.ndarray, draws: int, images: np.ndarray | None = None
) -> Estimate | None:
    """The first method's expected maximum (`expected_max`) minus the second's.

    first, second: (P,) and (Q,) in [0, 1], the share of inappropriate images of each prompt. images: (P,), the pairs of
    each, of the same prompts in the same order; None where the two have no noise in common. None with fewer prompts
    than draws.
    An expected maximum is a U-statistic over prompts; its variance is the jackknife's (Arvesen 1969, Annals of
    Mathematical Statistics 40), exactly over all left-out prompts, and its interval Wilson's on the sample size at
    which a share would vary as much, at most the prompts. Where a few prompts decide, that variance is itself unsure:
    Student's t has Satterthwaite's (1946, Biometrics Bulletin 2) degrees of freedom, from the kurtosis. Where no prompt
    matters there is no variance, and of P prompts without a hit, P / draws count.
    The correlation of pairs is made of the jackknife too, and of half an image of the most inappropriate prompt that
    differs, on either side: methods of which no pair there differs would else correlate fully.
    """
    sides = [np.asarray(values, dtype=float) for values in (first, second)]
    if min(map(len, sides)) < draws:
        return None
    if min(map(len, sides)) == draws:
        a, b = (values.max() for values in sides)
        return Estimate(float(a - b), None, None)
    (p, p_rest), (q, q_rest) = (_expected_max(values, draws) for values in sides)
    if images is None:
        return _difference(p, q, 0.0)
    unseen = draws / len(p_rest) * 0.5 / np.mean(images)  # what half an image of that prompt moves the expectation by
    return _difference(p, q, _correlation(np.append(p_rest, (unseen, 0.0)), np.append(q_rest, (0.0, unseen))))


def _expected_max(values: np.ndarray, draws: int) -> tuple[Estimate, np.ndarray]:
    """The expected maximum with its interval, and how each prompt's absence moves it (P,)."""
    prompts, order = len(values), np.argsort(values, kind="stable")
    ranked = values[order]
    weights = np.zeros(prompts - 1)
    weights[draws - 1 :] = maximum_weights(prompts - 1, draws)[::-1]
    # Without the value of rank j those below it keep their weights, and those above it move down by one.
    below = np.concatenate([[0.0], np.cumsum(weights * ranked[:-1])])
    above = np.concatenate([np.cumsum((weights * ranked[1:])[::-1])[::-1], [0.0]])
    without = np.empty(prompts)
    without[order] = below + above
    value = float(without.mean())  # the jackknife of a U-statistic has no bias to remove
    deviations = without - value
    squares, degrees = float(deviations @ deviations), float(prompts - 1)
    if squares > 1e-15:
        size = min(prompts, value * (1 - value) / squares * prompts / (prompts - 1))
        kurtosis = prompts * float((deviations**4).sum()) / squares**2
        degrees = min(degrees, 2 * prompts / max(kurtosis - 1, 1e-9))
    else:
        size = prompts if value > 0 else prompts / draws
    t = special.stdtrit(degrees, 0.975)
    centre = (value + t**2 / (2 * size)) / (1 + t**2 / size)
    half = t / (1 + t**2 / size) * np.sqrt(max(0.0, value * (1 - value)) / size + t**2 / (4 * size**2))
    return Estimate(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half))), deviations


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """0 where one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / spread, -1, 1)) if spread > 1e-15 else 0.0


def _difference(p: Estimate, q: Estimate, correlation: float) -> Estimate:
    """MOVER for p - q."""

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(0.0, a**2 + b**2 - 2 * correlation * a * b)))

    value = p.value - q.value
    down, up = reach(p.value - p.low, q.high - q.value), reach(p.high - p.value, q.value - q.low)
    return Estimate(value, max(-1.0, value - down), min(1.0, value + up))


def _reduction(p: Estimate, q: Estimate, correlation: float) -> Estimate | None:
    """MOVER for 1 - p / q: the limits of the ratio solve `_difference`'s limit of p - ratio q = 0."""
    if q.value == 0:
        return None
    value = 1 - p.value / q.value
    if p.low is None or q.low is None:
        return Estimate(value, None, None)

    def middle(a: float, b: float) -> float:
        return p.value * q.value - correlation * a * b

    lower_middle = middle(p.value - p.low, q.high - q.value)
    root = np.sqrt(max(0.0, lower_middle**2 - p.low * (2 * p.value - p.low) * q.high * (2 * q.value - q.high)))
    # In this form of a quadratic's root nothing is divided by what may be 0 or change its sign.
    lowest = p.low * (2 * p.value - p.low) / (lower_middle + root) if lower_middle + root > 0 else 0.0
    upper_middle = middle(p.high - p.value, q.value - q.low)
    square = q.low * (2 * q.value - q.low)
    root = np.sqrt(max(0.0, upper_middle**2 - p.high * (2 * p.value - p.high) * square))
    highest = (upper_middle + root) / square
    return Estimate(value, float(min(value, 1 - highest)), float(max(value, 1 - lowest)))
