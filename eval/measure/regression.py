"""What a sample of prompts says of all the prompts that it was drawn from, by what was published of each of these.

Pure functions of arrays with an entry per sampled prompt that has images. Only which prompts are drawn and the noise of
their pictures are random here: prompts are drawn singly, so near-duplicates are no clusters of this sample, unlike in a
sample of "new prompts like these".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.measure.estimates import Estimate

FEWEST = 20  # sampled prompts for a regression
FEWEST_OF_STRATUM = 5  # sampled prompts of a stratum for its variance


@dataclass(frozen=True)
class Design:
    """How a sample was drawn.

    Attributes:
        strata: (P,) integers, the stratum of each prompt.
        weights: (P,) floats from 1 up, for how many prompts of its stratum it stands.
    """

    strata: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Regressed(Estimate):
    """An estimate for all prompts; `relative_width` is its interval's over that of the sample alone."""

    relative_width: float


def design_of(levels: np.ndarray, population: Sequence[int]) -> Design:
    """Return the design of a sample that was drawn from strata in proportion.

    Neighbouring levels are one stratum until `FEWEST_OF_STRATUM` prompts of it are in the sample: those of fewer say
    too little of their variance (collapsed strata; Cochran 1977, Sampling Techniques, 5A.12).

    Args:
        levels: (P,) integers from 0 up.
        population: how many prompts each level has; a single number where all were drawn alike.
    """
    sampled = np.bincount(levels, minlength=len(population))
    stratum_of, stratum, count = np.zeros(len(sampled), int), 0, 0
    for number, drawn in enumerate(sampled):
        if count >= FEWEST_OF_STRATUM and sampled[number:].sum() >= FEWEST_OF_STRATUM:
            stratum, count = stratum + 1, 0
        stratum_of[number] = stratum
        count += drawn
    sizes = np.bincount(stratum_of, weights=np.asarray(population, float))
    counts = np.bincount(stratum_of, weights=sampled)
    strata = stratum_of[levels]
    return Design(strata, (sizes / np.maximum(counts, 1))[strata])


def regression(
    won: np.ndarray,
    lost: np.ndarray,
    images: np.ndarray,
    published: np.ndarray,
    design: Design,
    members: np.ndarray,
    mean_published: float,
    sample: Estimate,
    least: float,
) -> Regressed | None:
    """Return the regression estimate of a mean over all prompts of a category, with its 95 % interval.

    The mean is that of each prompt's share of inappropriate images, or of the difference of two methods, over all
    prompts of the category and all noise. It is the prediction for the published mean of all these prompts by a line
    through the sampled ones (the generalised regression estimator: Särndal, Swensson & Wretman 1992, Model Assisted
    Survey Sampling, 6.4); it is nearly unbiased however bad the line is, and as precise as the line is good.

    Its variance has two parts. Drawing prompts: the residuals' variance within strata, weighted by calibration, each
    corrected for its leverage (MacKinnon & White 1985, J. of Econometrics 29), times the part of the prompts that was
    not drawn. Noise of the sampled prompts' images, which the first part has only in the same proportion: from the
    variance within prompts; with one image it can't be told apart, so the residual's variance stands for it.

    The interval is the sample's own, moved to the estimate, with either side multiplied by the ratio of the two
    standard errors: near 0 and 1 it keeps the shape that it needs there.

    Args:
        won: (P,) integers, the images of a prompt that count for the method; with two methods, the pairs of which only
            the first one's does.
        lost: (P,) integers, the pairs of which only the second one's does; zeros with one method.
        images: (P,) integers from 1 up, the images or pairs.
        published: (P,) floats, the published fraction.
        design: of the whole sample.
        members: (P,) booleans, the prompts of the category.
        mean_published: over all prompts of the category, sampled or not.
        sample: the share or difference of the sampled prompts of the category alone, with its interval by prompt.
        least: the smallest possible mean: 0 of a share, -1 of a difference.

    Returns:
        None with fewer than `FEWEST` prompts of the category.
    """
    if members.sum() < FEWEST or sample.low is None or sample.high is None:
        return None
    won, lost, images, x = (np.asarray(values, float)[members] for values in (won, lost, images, published))
    fractions, weights = (won - lost) / images, design.weights[members]
    parts = weights / weights.sum()
    mean, mean_x = parts @ fractions, parts @ x
    spread = parts @ np.square(x - mean_x)
    leaning = (x - mean_x) / spread if spread > 1e-12 else np.zeros_like(x)  # shares differ by far more
    if (parts * leaning * (x - mean_x)).max() > 0.5:  # a single prompt would decide the line
        leaning = np.zeros_like(x)
    slope, missing = parts @ (leaning * fractions), mean_published - mean_x
    leverage = parts * (1 + leaning * (x - mean_x))
    residuals = (fractions - mean - slope * (x - mean_x)) / np.sqrt(1 - leverage)
    calibrated = parts * (1 + missing * leaning)
    noise = np.where(
        images > 1,
        ((won + lost) / images - np.square(fractions)) / np.maximum(images - 1, 1),
        np.square(residuals),
    )
    influence = np.zeros(len(members))
    influence[members] = calibrated * residuals
    # The leverage makes up for the one mean that the line takes from the residuals, the draw for the mean of a stratum.
    drawn = _variance_of_draw(influence, design) * (1 - 1 / len(members))
    variance = drawn + np.square(calibrated) @ (noise / weights)
    # That of the sample's own interval, in which each image weighs the same, and not each prompt.
    rests = (won - lost) - sample.value * images
    own = rests @ rests / images.sum() ** 2 * len(x) / (len(x) - 1)
    ratio = float(np.sqrt(variance / own)) if own > 0 else 1.0
    value = float(np.clip(mean + slope * missing, least, 1))
    low = max(least, value - ratio * (sample.value - sample.low))
    high = min(1.0, value + ratio * (sample.high - sample.value))
    return Regressed(value, low, high, ratio)


def _variance_of_draw(influence: np.ndarray, design: Design) -> float:
    """The variance of a sum of weighted values (P,) over draws of prompts from their strata, without replacement."""
    total = 0.0
    for stratum in np.unique(design.strata):
        values = influence[design.strata == stratum]
        left_out = 1 - 1 / design.weights[design.strata == stratum][0]
        total += left_out * len(values) / (len(values) - 1) * np.square(values - values.mean()).sum()
    return float(total)
