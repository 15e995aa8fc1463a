"""The coverage and the width of the candidates, without simulation: every prompt is its own group."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from eval.measure.estimates import paired_difference
from small_numbers.candidates import CANDIDATES, Candidate

ALIKE = (0.1, 0.35, 0.7)  # correlation of two images of a prompt; I2P has 0.35
SHARES = 40  # of the grid where several images per prompt are asked


@dataclass(frozen=True)
class Result:
    """What is known of a candidate in one setting: shares in [0, 1]."""

    least: float
    mean: float
    width: float
    width_at_0: float


def one_image(candidate: Candidate, prompts: int) -> Result:
    """Return the exact coverage and width with one image per prompt; the means are over shares from 0 to 1 alike."""
    k = np.arange(prompts + 1)
    size = prompts * candidate.factor(prompts, prompts)
    low, high = candidate.limits(k * size / prompts, np.full(prompts + 1, size))
    inside = special.betainc(k + 1, prompts - k + 1, high) - special.betainc(k + 1, prompts - k + 1, low)
    return Result(_least(low, high, prompts), float(inside.mean()), float((high - low).mean()), float(high[0]))


def _least(low: np.ndarray, high: np.ndarray, prompts: int) -> float:
    """Return the least coverage over all shares.

    Between two neighbouring limits the outcomes whose interval holds the share are the same, a to b hits, and
    P(a <= hits <= b) has one maximum and no other turn: its least value is at an end.
    """
    ends = np.unique(np.concatenate([[0.0, 1.0], low, high]))
    ends = ends[np.concatenate([[True], np.diff(ends) > 1e-9])]  # equal but for rounding
    middles = (ends[1:] + ends[:-1]) / 2
    covered = (low <= middles[:, None]) & (middles[:, None] <= high)
    first, last = covered.argmax(axis=1), prompts - covered[:, ::-1].argmax(axis=1)
    if not (covered.sum(axis=1) == np.where(covered.any(axis=1), last - first + 1, 0)).all():
        raise AssertionError("limits must rise with the hits")
    chances = [
        stats.binom.cdf(last, prompts, p) - stats.binom.cdf(first - 1, prompts, p) for p in (ends[:-1], ends[1:])
    ]
    return float(np.where(covered.any(axis=1), np.minimum(*chances), 0.0).min())


class Sums:
    """The sums over prompts of hits y and of y (y - 1) / 2, all that an interval needs to know: arrays (S,)."""

    def __init__(self, images: int, prompts: int):
        self.images, self.prompts, total = images, prompts, images * prompts
        self.shape = (total + 1, images * (images - 1) // 2 * prompts + 1)
        hits, pairs = np.indices(self.shape)
        squares = 2 * pairs + hits
        possible = (squares * prompts >= hits**2) & (squares <= images * hits)
        self.at = np.nonzero(possible)
        self.hits, self.squares = hits[possible].astype(float), squares[possible].astype(float)

    def effective(self) -> np.ndarray:
        """Return the effective sample: images over `eval.measure.estimates.design_effect`."""
        m, padded = self.images, self.prompts + 2
        p = (self.hits + m) / (m * padded)
        spread = self.squares + m**2 - padded * (p * m) ** 2
        return m * self.prompts / np.maximum(1, spread / (p * (1 - p) * m * padded))

    def chances(self, share: float, alike: float) -> np.ndarray:
        """Return the probability of each, of prompts whose shares are beta distributed."""
        y, ties = np.arange(self.images + 1), (1 - alike) / alike
        grid = np.zeros(self.shape)
        grid[y, y * (y - 1) // 2] = stats.betabinom.pmf(y, self.images, share * ties, (1 - share) * ties)
        return np.fft.irfft2(np.fft.rfft2(grid) ** self.prompts, s=self.shape)[self.at]


def clustered(images: int, prompts: int, shares: int = SHARES) -> list[Result]:
    """Return for each candidate the least coverage over shares and correlations, and the means over both.

    Shares up to a half suffice, since hits and misses are alike; the grid is finer towards 0, the mean even.
    """
    sums, steps = Sums(images, prompts), np.arange(1, shares + 1)
    size, total = sums.effective(), images * prompts
    sizes = [size * candidate.factor(total, prompts) for candidate in CANDIDATES]
    limits = [c.limits(sums.hits / total * n, n) for c, n in zip(CANDIDATES, sizes, strict=True)]
    held = np.zeros((len(CANDIDATES), len(ALIKE), shares, 2))
    for j, alike in enumerate(ALIKE):
        for i, share in enumerate((steps / shares) ** 2 / 2):
            chances = sums.chances(share, alike)
            for c, (low, high) in enumerate(limits):
                covers = (low <= share) & (share <= high)
                held[c, j, i] = chances @ covers, chances @ (high - low)
    means = np.average(held, axis=2, weights=steps).mean(axis=1)
    return [
        Result(float(h[..., 0].min()), *mean, float(high[0]))
        for h, mean, (_, high) in zip(held, means.tolist(), limits, strict=True)
    ]


def paired(prompts: int, steps: int = 60) -> tuple[float, float, float]:
    """Return the least coverage of the product's paired difference, its mean width, and that where no pair differs.

    One image per prompt: wins, losses and ties are trinomial. Coverage jumps where the difference is a limit, so both
    sides of each are asked, with `steps` shares of pairs that differ.
    """
    outcomes = [(w, k) for w in range(prompts + 1) for k in range(prompts + 1 - w)]
    place, ones = np.arange(prompts), np.ones(prompts, int)
    limits = [paired_difference((place < w) * 1, (place >= prompts - k) * 1, ones) for w, k in outcomes]
    low, high = (np.array([getattr(each, end) for each in limits]) for end in ("low", "high"))
    won, lost = np.array(outcomes).T
    ends = np.unique(np.concatenate([[0.0, 1.0], np.abs(low), np.abs(high)]))
    ends = ends[np.concatenate([[True], np.diff(ends) > 1e-9])]
    ways = special.gammaln(prompts + 1) - sum(special.gammaln(x + 1) for x in (won, lost, prompts - won - lost))
    least = 1.0
    for left, right in itertools.pairwise(ends):
        covered = (low <= (left + right) / 2) & ((left + right) / 2 <= high)
        for difference in (left, right):
            differ = difference + (1 - difference) * (np.arange(steps + 1)[:, None] / steps) ** 2
            p, q, rest = (differ + difference) / 2, (differ - difference) / 2, np.maximum(1 - differ, 0)
            logs = special.xlogy(won, p) + special.xlogy(lost, q) + special.xlogy(prompts - won - lost, rest)
            least = min(least, float((np.exp(ways + logs) @ covered).min()))
    widths = high - low
    return least, float(widths.mean()), float(widths[(won == 0) & (lost == 0)][0])
