"""How precise a planned run will be: the variance of a share, or of a paired difference, before any image is drawn.

The variance of one prompt's fraction of m images is `between + within / m`: how much prompts differ, and how much
images of one prompt do. Prompts of one group of near-duplicates are alike, so two prompts of a random sample have a
covariance, and the share of n prompts has the variance

    (between + within / m + (n - 1) * per_pair) / n,

whichever prompts of a group are drawn: of N prompts drawn without replacement, two are of the same group with
the same probability at every n (Cochran 1977, Sampling Techniques, chapter 2; chapter 9A for whole groups).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from scipy import special

MOST = 10_000_000  # prompts beyond which no answer is looked for


@dataclass(frozen=True)
class Spread:
    """The components of a variance; fractions squared.

    Attributes:
        between: of the prompts' probabilities.
        within: of one image of a prompt, on average; None where no prompt had two images, so that `between` holds both.
        per_pair: the covariance of two prompts of a random sample, from those that are of one group.
        whole: a further covariance, of each prompt with all others of its group, where every group is drawn whole.
        grouped: in a sample of more prompts than these, a prompt's group has as many others as in one of these; None
            where groups are known for every number of prompts.
    """

    between: float
    within: float | None
    per_pair: float = 0.0
    whole: float = 0.0
    grouped: int | None = None

    def new_prompts(self, prompts: int, images: int) -> float:
        """Return the variance over new prompts like these, and new noise."""
        others = min(prompts, self.grouped or prompts) - 1
        return (self._one(images) + others * self.per_pair + self.whole) / prompts

    def in_groups(self, pairs: float, alike: float) -> Spread:
        """Return the same components for prompts of other groups.

        Args:
            pairs: the share of all pairs of prompts that are of one group.
            alike: the correlation of the probabilities of two prompts of a group.
        """
        return replace(self, per_pair=pairs * alike * self.between, grouped=None)

    def same_prompts(self, prompts: int, images: int) -> float | None:
        """Return the variance over new noise for the same prompts; None where it is not known."""
        return None if self.within is None else self.within / images / prompts

    def all_prompts(self, prompts: int, images: int, of: int) -> float | None:
        """Return the variance around the share of all `of` prompts, of which the run draws some, and new noise."""
        noise = self.same_prompts(prompts, images)
        return None if noise is None else (1 - prompts / of) * self.between / prompts + noise

    def _one(self, images: int) -> float:
        if self.within is None:
            if images != 1:
                raise ValueError("expected one image per prompt, as none is known to have two")
            return self.between
        return self.between + self.within / images


def spread_of(won: np.ndarray, lost: np.ndarray, images: np.ndarray, groups: np.ndarray) -> Spread:
    """Return the components that the images of some prompts show, without the noise of their own number.

    Args:
        won: (P,) of each prompt, the images that count 1: inappropriate, or inappropriate with the first method only.
        lost: (P,) those that count -1: inappropriate with the second method only; 0 for a share.
        images: (P,) all its images, or pairs of images; at least 1.
        groups: (P,) integers from 0 up, the group of each.

    Returns:
        Unbiased components by the analysis of variance (Searle, Casella & McCulloch 1992, Variance Components, chapter
        3): within prompts from those with two images or more; between prompts what is left of the variance of their
        fractions; within groups the products of different prompts of a group. Never below 0.

    Raises:
        ValueError: fewer than two prompts.
    """
    won, lost, images = (np.asarray(values, dtype=float) for values in (won, lost, images))
    prompts = len(images)
    if prompts < 2:
        raise ValueError(f"expected two prompts or more, found {prompts}")
    sums = won - lost
    rest = sums / images - (sums / images).mean()
    total = rest @ rest / (prompts - 1)
    by_group = np.bincount(groups, weights=rest)
    per_pair = max(0.0, (by_group @ by_group - rest @ rest) / (prompts * (prompts - 1)))
    several = images > 1
    if not several.any():
        return Spread(float(total), None, float(per_pair))
    y, m = sums[several], images[several]
    within = float(np.mean(((won + lost)[several] - y**2 / m) / (m - 1)))
    return Spread(max(0.0, float(total) - within * float(np.mean(1 / images))), within, float(per_pair))


def pairs_of(groups: np.ndarray) -> float:
    """Return which share of all pairs of prompts are of one group; groups: (P,) integers from 0 up."""
    sizes = np.bincount(groups)
    return float(sizes @ (sizes - 1) / max(1, len(groups) * (len(groups) - 1)))


def assumed(share: float, alike: float, group: float = 1.0, group_alike: float = 0.0) -> Spread:
    """Return the components of a share from what is assumed of it.

    Args:
        share: the inappropriate probability.
        alike: the correlation of two images of one prompt.
        group: how many prompts, itself included, the group of an average prompt has.
        group_alike: the correlation of the probabilities of two prompts of a group.
    """
    single = share * (1 - share)
    return Spread(alike * single, (1 - alike) * single, whole=(group - 1) * group_alike * alike * single)


def assumed_difference(
    spread: Spread, share: float, difference: float, correlation_prompts: float, correlation_noise: float
) -> Spread:
    """Return the components of a paired difference of which only the first method's are known.

    The second method has a share lower by `difference`, images of one prompt as alike as the first's, and groups whose
    differences are as alike as their shares.

    Args:
        spread: of the first method.
        share: of the first method.
        difference: as a fraction, below the share.
        correlation_prompts: of the two methods' probabilities over prompts.
        correlation_noise: of their images on the same noise, within prompts.
    """
    second = (share - difference) * (1 - share + difference) / (share * (1 - share))

    def combined(first: float, correlation: float) -> float:
        return first * (1 + second - 2 * correlation * math.sqrt(second))

    between = combined(spread.between, correlation_prompts)
    grouped = between / spread.between if spread.between else 0.0
    return Spread(
        between,
        None if spread.within is None else combined(spread.within, correlation_noise),
        grouped * spread.per_pair,
        grouped * spread.whole,
    )


def correlation(first: float, second: float, difference: float) -> float:
    """Return the correlation of two numbers from their variances, above 0, and that of their difference."""
    return max(-1.0, min(1.0, (first + second - difference) / (2 * math.sqrt(first * second))))


def half_width(variance: float, prompts: int, level: float) -> float:
    """Return half of an interval with the confidence 1 - level, by Student's t; the report's are about as wide."""
    return float(special.stdtrit(prompts - 1, 1 - level / 2)) * math.sqrt(variance)


def power(difference: float, variance: float, prompts: int, images: int, level: float) -> float:
    """Return how likely the report's test finds a difference of this size, which is not 0.

    Sign flips judge by the squares of differences from 0 and not from their mean, so the difference itself adds to the
    noise that it must exceed; and their sums are two images apart, which takes half of such a step from it, as with
    McNemar's test (Fleiss, Levin & Paik 2003, Statistical Methods for Rates and Proportions, chapter 13).
    """
    if variance <= 0:
        return 1.0
    reach = float(special.stdtrit(prompts - 1, 1 - level / 2)) * math.sqrt(variance + difference**2 / prompts)
    return NormalDist().cdf((difference - 1 / (prompts * images) - reach) / math.sqrt(variance))


def family_factor(comparisons: int, chance: float, level: float) -> float:
    """Return by which factor the prompts grow where a difference must be found among so many at the adjusted level.

    Bonferroni's, which no step-down test needs more than.
    """
    found, single, adjusted = (NormalDist().inv_cdf(p) for p in (chance, 1 - level / 2, 1 - level / 2 / comparisons))
    return ((adjusted + found) / (single + found)) ** 2


def fewest(enough: Callable[[int], bool], most: int | None) -> int | None:
    """Return the least number of prompts from 2 to `most` that is enough, None where not even the most are.

    Args:
        enough: whether a number is; it stays so at every larger one.
        most: that exist; None for no limit.
    """
    low, high = 1, most or MOST
    if high < 2 or not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
