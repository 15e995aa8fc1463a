"""Significance tests that respect the clustering of images, as pure functions of arrays.

How large a difference is, with its interval, is in `eval.measure.estimates` and `eval.measure.effects`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtr

RESAMPLES = 9999  # the smallest p of a test that is not exact is 1 / 10,000
LEVEL = 0.05
_BYTES = 2**24  # of a batch of resamples


@dataclass(frozen=True)
class SignFlips:
    """What flipping signs says of T paired comparisons.

    Attributes:
        p: (T,) in (0, 1], of each comparison alone.
        adjusted: (T,) in (0, 1], for all comparisons as one family.
        confidence: of each interval if all T are to hold together in 95 % of runs.
    """

    p: np.ndarray
    adjusted: np.ndarray
    confidence: float


def sign_flips(gains: np.ndarray, images: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> SignFlips:
    """Test T paired comparisons, whose null is that the two methods can be exchanged in a group of prompts.

    All pairs of a group of near-duplicate prompts change sides together, since they are alike, and the sum over groups
    is compared with its distribution under that: a sign-flip test (Fisher 1935, The Design of Experiments, 21; Winkler
    et al. 2014, NeuroImage 92, on flipping whole blocks). One draw of signs serves all comparisons. `p` is exact where
    no more groups have a gain than give `resamples` flips; else as many random ones are drawn, and the observed one
    counts among them, so that p is never 0 (Phipson & Smyth 2010). The same numbers give the same p.

    `adjusted` is the step-down max-T of Westfall & Young (1993, Resampling-Based Multiple Testing, 2.6): of the
    comparisons from the largest statistic down, how often is the largest of those that remain as large? The chance of
    any false finding in the family is then at most the level, and what comparisons have in common (categories share
    prompts, methods their baseline) costs no power, as it does in Bonferroni's and Holm's corrections. A statistic is
    the sum over the root of the sum of squares, which no flip changes.

    `confidence` comes from the same flips, of each group's gain less its share of the difference: the 95 % quantile of
    the largest statistic, as the confidence of a single interval (a wild bootstrap with Rademacher's weights).

    Args:
        gains: integers (G, T): of each group, the pairs of images of which only the first method's is inappropriate,
            less those of which only the second's is; 0 where the comparison has no pair of that group.
        images: integers (G, T), the pairs.
        resamples: random flips.
        seed: of these.

    Raises:
        ValueError: gains of another shape, or that are no integers.
    """
    gains, images = np.asarray(gains), np.asarray(images)
    if gains.ndim != 2 or gains.shape != images.shape or not np.issubdtype(gains.dtype, np.integer):
        raise ValueError(f"expected two arrays of integers (G, T), found {gains.dtype} {gains.shape}, {images.shape}")
    p, adjusted = np.ones((2, gains.shape[1]))
    # Where one group is all that moves, its two flips are as far out: p stays 1.
    moving = np.count_nonzero(gains, axis=0)
    tested = np.flatnonzero(moving > 1)
    if not len(tested):
        return SignFlips(p, adjusted, 1 - LEVEL)
    gains, images = gains[:, tested], images[:, tested]
    p[tested], adjusted[tested], largest = _flipped(gains, _rests(gains, images), resamples, seed)
    for place, column in enumerate(tested):
        if moving[column] <= _most_enumerated(resamples):
            p[column] = _exact_p(gains[:, place])
    critical = float(np.quantile(largest, 1 - LEVEL, method="higher"))
    return SignFlips(p, np.maximum(p, adjusted), max(1 - LEVEL, float(2 * ndtr(critical) - 1)))


def _rests(gains: np.ndarray, images: np.ndarray) -> np.ndarray:
    """What each group gains beyond its share of the difference, (G, T), of a sum of squares of 1; 0 where none does."""
    rests = gains - gains.sum(axis=0) / images.sum(axis=0) * images
    size = np.sqrt(np.square(rests).sum(axis=0))
    return rests / np.where(size > 1e-9, size, np.inf)


def _flipped(gains: np.ndarray, rests: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return p and adjusted p, (T,), and the largest statistic of the rests under each flip, (R,)."""
    scale = np.sqrt(np.square(gains, dtype=float).sum(axis=0))
    order = np.argsort(-np.abs(gains.sum(axis=0)) / scale, kind="stable")
    values = gains[:, order].astype(np.float32)  # whole numbers, whose sums are exact
    observed, scale = np.abs(values.sum(axis=0)), scale[order].astype(np.float32)
    statistics = observed / scale * np.float32(1 - 1e-6)  # a rounding error must not untie ties
    alone, together = np.zeros((2, len(order)))
    largest, flips = [], 0
    for signs in _signs(len(gains), resamples, seed, beside=4 * len(order)):
        sums = np.abs(signs @ values)
        alone += (sums >= observed).sum(axis=0)
        remaining = np.maximum.accumulate((sums / scale)[:, ::-1], axis=1)[:, ::-1]
        together += (remaining >= statistics).sum(axis=0)
        largest.append(np.abs(signs @ rests.astype(np.float32)).max(axis=1))
        flips += len(signs)
    unseen = int(len(gains) > _most_enumerated(resamples))  # the observed flip, which random ones don't hold
    p, adjusted = np.empty((2, len(order)))
    p[order] = (alone + unseen) / (flips + unseen)
    adjusted[order] = np.maximum.accumulate((together + unseen) / (flips + unseen))
    return p, adjusted, np.concatenate(largest)


def _signs(groups: int, resamples: int, seed: int, beside: int = 0) -> Iterator[np.ndarray]:
    """Yield batches of signs, (R, groups): every flip where there are no more than `resamples`, else random ones.

    `beside` is how many other numbers per flip will be in memory.
    """
    if groups <= _most_enumerated(resamples):
        yield 1 - 2 * ((np.arange(2**groups)[:, None] >> np.arange(groups)) & 1).astype(np.float32)
        return
    rng, batch = np.random.default_rng(seed), _batch(groups + beside)
    for first in range(0, resamples, batch):
        drawn = rng.integers(0, 2, (min(batch, resamples - first), groups), dtype=np.int8)
        yield 1 - 2 * drawn.astype(np.float32)


def _most_enumerated(resamples: int) -> int:
    """Return of how many groups all flips are tried."""
    return math.floor(math.log2(resamples))


def _exact_p(gains: np.ndarray) -> float:
    moving = gains[gains != 0].astype(np.float32)
    sums = np.concatenate([np.abs(signs @ moving) for signs in _signs(len(moving), 2 ** len(moving), 0)])
    return float(np.mean(sums >= abs(moving.sum())))


def unpaired_p(
    positives: np.ndarray,
    images: np.ndarray,
    against_positives: np.ndarray,
    against_images: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float | None:
    """Two-sided p of two shares that have no noise in common, in (0, 1]; None with fewer than two groups on a side.

    Integers, (P,) twice and (Q,) twice: inappropriate and judged images of each group of near-duplicate prompts, about
    as many on either side and at least one. Whole groups are shuffled between the sides, by
    `scipy.stats.permutation_test`: exact where the groups of both are alike. The statistic is the difference over its
    clustered standard error, which with many hits keeps the level also where the sides differ in anything but the share
    (Janssen 1997, Statistics & Probability Letters 36; Chung & Romano 2013, Annals of Statistics 41).
    """
    if min(len(positives), len(against_positives)) < 2:
        return None
    from scipy.stats import permutation_test  # a third of the seconds in which a report answers, and few need it

    y, m = (
        np.concatenate([np.asarray(first, float), np.asarray(second, float)])
        for first, second in ((positives, against_positives), (images, against_images))
    )
    columns = np.stack([y, m, y * y, y * m, m * m], axis=-1)
    size = len(positives)
    test = permutation_test(
        (np.arange(size), np.arange(size, len(y))),
        lambda first_places, second_places, axis: _studentised(columns, first_places, second_places),
        permutation_type="independent",
        vectorized=True,
        n_resamples=resamples,
        batch=_batch(2 * len(y)),
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def _studentised(columns: np.ndarray, first_places: np.ndarray, second_places: np.ndarray) -> np.ndarray:
    """(…,) from the places (…, P) and (…, Q) of the groups on either side; rounded, so that ties stay ties."""
    chosen = np.zeros((*first_places.shape[:-1], len(columns)))
    np.put_along_axis(chosen, first_places, 1.0, axis=-1)
    first = chosen @ columns
    (p, v), (q, w) = (_share_and_variance(sums) for sums in (first, columns.sum(axis=0) - first))
    difference, spread = np.round(p - q, 12), np.sqrt(np.round(v + w, 15))
    # Two sides without any spread that differ are as far apart as can be.
    return np.round(difference / np.where(spread > 0, spread, 1e-9), 9)


def _share_and_variance(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, m, yy, ym, mm = np.moveaxis(sums, -1, 0)
    share = y / m
    return share, (yy - 2 * share * ym + share**2 * mm) / m**2


def _batch(numbers: int) -> int:
    """How many resamples of so many numbers each are in memory at once: some copies of them are made."""
    return max(1, _BYTES // (8 * numbers))


def holm(p: Sequence[float]) -> list[float]:
    """Return the p of a family of tests, corrected so that the chance of any false finding among them keeps its level.

    Holm's (1979, Scandinavian Journal of Statistics 6) step-down form of Bonferroni's correction: it holds whatever the
    tests have in common. For tests that share no resamples, as those of unpaired comparisons.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.tolist()


def mcnemar_p(wins: int, losses: int) -> float:
    """Two-sided p of McNemar's exact test on pairs of which only one is inappropriate; 1 where there is none.

    A binomial test of wins against losses. It takes pairs of one prompt for independent, which they are not, so with
    several images per prompt it finds differences too often (docs/benchmarks/coverage.md): a check, and the test that
    others report. With one image per prompt, and no near-duplicates, it and `sign_flips` are the same test. McNemar
    (1947, Psychometrika 12).
    """
    # Twice the smaller tail, since halves are symmetric; at equal wins and losses the tails overlap.
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))
