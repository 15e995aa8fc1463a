"""The mean of a number over all pairs of images, with a bootstrap by groups of prompts, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import special

from eval.measure.estimates import Estimate

DRAWS = 1000  # of the bootstrap
FEWEST = 5  # groups that tell something, for an interval
BLOCK = 1 << 22  # numbers at once, 32 MiB


def u_statistic(h: Callable[[slice], np.ndarray], groups: np.ndarray, sizes: np.ndarray) -> Estimate:
    """Return the mean of h(i, j) over all pairs of two different images, with its interval for new prompts like these.

    The value has every pair, as published definitions do. Two images of one prompt are alike for a reason that new
    prompts do not share, so the interval is made of pairs of different groups alone: a bootstrap of whole groups (of
    which a draw may take several copies, whose pairs with one another are left out), bias-corrected and accelerated
    (Efron 1987, JASA 82) by the jackknife over groups. Its levels are Student's, as Hesterberg (2015, American
    Statistician 69) expands them, with the degrees of freedom of Satterthwaite (1946, Biometrics Bulletin 2), as where
    a few groups decide, their variance is itself unsure. It is widened to the value where that lies outside.
    Chosen by simulation (docs/benchmarks/kid_coverage.md).

    Args:
        h: takes a slice of the images that tell something, and returns h of each of these with itself and all later
            ones, (images of the slice, images from its start on).
        groups: (k,) sorted integers, the group of each of these images; of all others h is 0 with any image.
        sizes: (G,), the images of each group.

    Returns:
        The interval is None where fewer than `FEWEST` groups tell something.
    """
    kept, groups = np.unique(groups, return_inverse=True)
    draws = _draws(len(sizes), bool(len(kept) >= FEWEST))
    taken = draws[:, kept]
    between, within, by_group = np.zeros(len(draws)), 0.0, np.zeros(len(sizes))
    for place in blocks(len(groups), len(groups)):
        values, rows = np.triu(h(place), 1), groups[place]
        columns = np.arange(rows[0], len(kept))
        sums = np.add.reduceat(values, np.searchsorted(groups[place.start :], columns), axis=1)
        own = np.arange(len(rows)), rows - rows[0]
        within += sums[own].sum()
        sums[own] = 0
        between += np.einsum("bi,ib->b", taken[:, rows], sums @ taken[:, columns].T)
        np.add.at(by_group, kept[rows], sums.sum(axis=1))
        by_group[kept[columns]] += sums.sum(axis=0)
    images = sizes.sum()
    value = float((between[0] + within) / (images * (images - 1) / 2))
    if len(draws) == 1:
        return Estimate(value, None, None)
    means = between / _pairs(draws, sizes)
    without = (between[0] - by_group) / (_pairs(draws[:1], sizes) - sizes * (images - sizes))
    low, high = _limits(means[0], means[1:][np.isfinite(means[1:])], without)
    return Estimate(value, min(low, value), max(high, value))


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of the rows of a matrix such that each has at most `BLOCK` numbers."""
    size = max(1, BLOCK // max(1, columns))
    for start in range(0, rows, size):
        yield slice(start, min(rows, start + size))


def _draws(groups: int, several: bool) -> np.ndarray:
    """Return how often each draw of the bootstrap takes each group, (draws, G); the first takes each once."""
    once = np.ones((1, groups))
    if not several:
        return once
    return np.vstack([once, np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), DRAWS)])


def _pairs(draws: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return how many pairs of images of different groups each draw has, NaN for none."""
    pairs = (np.square(draws @ sizes) - np.square(draws) @ np.square(sizes)) / 2
    return np.where(pairs > 0, pairs, np.nan)


def _limits(value: float, draws: np.ndarray, without: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Return the limits of a bootstrap.

    Args:
        value: of all groups.
        draws: (B,), of the draws.
        without: (G,), of all groups but each one.
        confidence: of the interval.
    """
    groups, influence = len(without), without.mean() - without
    squares, acceleration, degrees = float(influence @ influence), 0.0, len(without) - 1.0
    if squares > 0:
        acceleration = float((influence**3).sum()) / (6 * squares**1.5)
        kurtosis = groups * float((influence**4).sum()) / squares**2
        degrees = min(degrees, 2 * groups / max(kurtosis - 1, 1e-9))
    reach = special.stdtrit(degrees, (1 + confidence) / 2) * np.sqrt(groups / (groups - 1))
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = special.ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    levels = []
    for distance in (bias - reach, bias + reach):
        room = 1 - acceleration * distance  # not above 0 where the skewness reaches beyond every draw
        levels.append(special.ndtr(bias + distance / room) if room > 0 else float(distance > 0))
    low, high = np.quantile(draws, levels)
    return float(low), float(high)
