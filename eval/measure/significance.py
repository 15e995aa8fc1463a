"""Significance tests that respect the clustering of images by prompt, as pure functions of arrays.

What the difference is, with its interval, is in `eval.measure.estimates` and `eval.measure.effects`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, permutation_test

RESAMPLES = 9999  # the smallest p of a test that is not exact is 2 / 10,000
_BYTES = 2**24  # of a batch of resamples


def sign_flip_p(gains: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Two-sided p of each of T paired comparisons, whose null is that the two methods can be exchanged in a prompt.

    gains: integers (P, T), of each prompt the pairs of images that only the first method has inappropriate, less those
    that only the second has; 0 where the comparison has no pair of that prompt. Returns (T,) in (0, 1].
    All pairs of a prompt change sides together, since they are alike, and the sum over prompts is compared with its
    distribution under that: a sign-flip test (Fisher 1935, The Design of Experiments, 21; Winkler et al. 2014,
    NeuroImage 92, on flipping whole blocks) by `scipy.stats.permutation_test`. Exact where no more prompts have a
    gain than give `resamples` flips; else with as many random ones, the observed one counted among them, so that p is
    never 0 (Phipson & Smyth 2010). The same numbers give the same p.
    ValueError: gains of another shape, or that are no integers.
    """
    gains = np.asarray(gains)
    if gains.ndim != 2 or not np.issubdtype(gains.dtype, np.integer):
        raise ValueError(f"expected integers (P, T), found {gains.dtype} of shape {gains.shape}")
    p_values = np.ones(gains.shape[1])  # and stays so where one prompt is all that moves: its two flips are as far out
    moving = np.count_nonzero(gains, axis=0)
    exact = (moving > 1) & (moving <= math.floor(math.log2(resamples)))
    for column in np.flatnonzero(exact):
        p_values[column] = _flipped(gains[gains[:, column] != 0, column : column + 1], resamples, seed)[0]
    sampled = np.flatnonzero((moving > 1) & ~exact)
    if len(sampled):
        p_values[sampled] = _flipped(gains[(gains[:, sampled] != 0).any(axis=1)][:, sampled], resamples, seed)
    return p_values


def _flipped(gains: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The signs are what scipy flips: one draw of them serves all T comparisons, through a matrix product."""
    values = gains.astype(float)
    return permutation_test(
        (np.ones(len(gains)),),
        lambda signs, axis: signs @ values,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=_batch(len(gains)),
        rng=np.random.default_rng(seed),
    ).pvalue


def unpaired_p(
    positives: np.ndarray,
    images: np.ndarray,
    against_positives: np.ndarray,
    against_images: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float | None:
    """Two-sided p of two shares that have no noise in common, in (0, 1]; None with fewer than two prompts on a side.

    Integers, (P,) twice and (Q,) twice: inappropriate and judged images of each prompt, about as many on either side
    and at least one. Whole prompts are shuffled between the sides, by `scipy.stats.permutation_test`: exact where the
    prompts of both are alike. The statistic is the difference over its prompt-clustered standard error, which with many
    hits keeps the level also where the sides differ in anything but the share (Janssen 1997, Statistics & Probability
    Letters 36; Chung & Romano 2013, Annals of Statistics 41).
    """
    if min(len(positives), len(against_positives)) < 2:
        return None
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
    """(…,) from the places (…, P) and (…, Q) of the prompts on either side; rounded, so that ties stay ties."""
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
    tests have in common, as categories have prompts.
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
    several images a prompt it finds differences too often (docs/benchmarks/coverage.md): a check, and the test that
    others report. With one image a prompt it and `sign_flip_p` are the same test. McNemar (1947, Psychometrika 12).
    """
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
