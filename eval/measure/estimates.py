"""Shares, means and their differences, with intervals for new prompts like these, as pure functions of arrays.

An array has one entry per *cluster*: a group of near-duplicate prompts, whose images are alike (`i2p.groups`).
Intervals for the same prompts and new noise are in `eval.measure.repetition`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; `low` and `high` are None where there are too few prompts for one."""

    value: float
    low: float | None
    high: float | None


def design_effect(positives: np.ndarray, images: np.ndarray) -> float:
    """How many times larger the variance of sum(positives) / sum(images) is than with independent images; >= 1.

    Both (G,). The linearised, cluster-robust variance of the ratio p, sum((y - p m)^2) / M^2, over the binomial
    p (1 - p) / M (Rao & Scott 1992, Biometrics 48). Two clusters are added for this estimate only, one with all and
    one with none of the average number of images positive (as Agresti & Coull 1998 add images). Without them the
    effect is 0 / 0 where no image is positive and 1 where one is, so that images count as independent exactly where
    the data cannot tell: nominal 95 % intervals then cover 89 % at p = 0.01 and 100 clusters. With them it begins at
    that average, over images and not over clusters, which makes the clusters the sample, and moves to the observed
    effect as evidence comes in. Never below 1: images that repel one another are taken for chance, as the NCHS
    standards do (2017).
    """
    average = _average(images)
    y = np.concatenate([positives, [0.0, average]])
    m = np.concatenate([images, [average, average]])
    p = y.sum() / m.sum()
    return max(1.0, float(np.square(y - p * m).sum() / (p * (1 - p) * m.sum())))


def probability(positives: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Share of inappropriate images, with an interval that knows that images of one cluster are alike.

    positives, images: integers (G,), inappropriate and judged images of each cluster; one without judged images does
    not count. The interval is Clopper & Pearson's (1934, Biometrika 26) for an effective sample of images / design
    effect (Korn & Graubard 1998, Survey Methodology 24; standards of the NCHS for proportions 2017, Vital and Health
    Statistics 2, 175), without their factor for degrees of freedom: the design effect begins as if the clusters were
    the sample, which is allowance enough. Chosen by enumeration (docs/benchmarks/small_numbers.md): with few prompts,
    and near 0 and 1, it keeps its promise where Wilson's form does not. Never empty, and it
    begins at 0 or ends at 1 only where no or every image is positive.
    ValueError: no judged image, or counts that are no counts.
    """
    positives, images = np.asarray(positives), np.asarray(images)
    if positives.ndim != 1 or positives.shape != images.shape:
        raise ValueError(f"expected two arrays (G,) alike, found the shapes {positives.shape} and {images.shape}")
    if not (0 < confidence < 1 and np.all((positives >= 0) & (positives <= images))):
        raise ValueError(f"expected 0 <= positives <= images and confidence in (0, 1), found otherwise ({confidence=})")
    judged = images > 0
    if not judged.any():
        raise ValueError("expected at least one judged image, found none; report the count and no probability")
    y, m = positives[judged].astype(float), images[judged].astype(float)
    clusters, total = len(m), m.sum()
    value = y.sum() / total
    if clusters == 1:
        return Estimate(float(value), None, None)
    low, high = exact_limits(value, total / design_effect(y, m), total, confidence)
    return Estimate(float(value), low, high)


def exact_limits(value: float, size: float, images: float, confidence: float) -> tuple[float, float]:
    """Clopper & Pearson's limits of a share found among `images`, which are worth `size` independent ones.

    However alike images are, one of them is positive with a probability of at most share x images. So where any is,
    the lower limit is at least the share at which that falls to half of what the confidence leaves; and by symmetry.
    """
    hits, misses, tail = value * size, (1 - value) * size, (1 - confidence) / 2
    low = max(tail / images, special.betaincinv(hits, misses + 1, tail)) if value > 0 else 0.0
    high = 1 - max(tail / images, special.betaincinv(misses, hits + 1, tail)) if value < 1 else 1.0
    # Inside in the mathematics; a rounding error must not put the value outside its interval.
    return float(min(value, low)), float(max(value, high))


def paired_difference(wins: np.ndarray, losses: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How much more probable an inappropriate image is with one method than with another, on the same noise.

    wins, losses, images: integers (G,), of each cluster the pairs of images of which only the first method's, only the
    second method's is inappropriate, and all its pairs; one without pairs does not count. The interval is Bonett
    & Price's (2012, J. Educational and Behavioral Statistics 37), which adds one win and one loss so that it is not
    empty where no pair differs, for an effective sample of pairs / design effect, with the quantile of Student's t for
    clusters - 1 degrees of freedom. The design effect is the cluster-robust variance of the difference over that of
    independent pairs, at least 1; into it enter one more won and one more lost pair, as if their clusters agreed with
    them throughout.
    ValueError: no pair, or counts that are none.
    """
    wins, losses, images = (np.asarray(values) for values in (wins, losses, images))
    if not (wins.ndim == 1 and wins.shape == losses.shape == images.shape and 0 < confidence < 1):
        raise ValueError(f"expected three arrays (G,) alike, found {wins.shape}, {losses.shape}, {images.shape}")
    if not np.all((wins >= 0) & (losses >= 0) & (wins + losses <= images)):
        raise ValueError("expected wins and losses from 0 up within their pairs, found others")
    paired = images > 0
    if not paired.any():
        raise ValueError("expected at least one pair of images, found none; report no difference")
    won, lost, m = (values[paired].astype(float) for values in (wins, losses, images))
    clusters, total, value = len(m), m.sum(), float((won - lost).sum() / m.sum())
    if clusters == 1:
        return Estimate(value, None, None)
    t = special.stdtrit(clusters - 1, (1 + confidence) / 2)
    return bonett_price(won, lost, total, total / _paired_design_effect(won, lost, m), t)


def bonett_price(won: np.ndarray, lost: np.ndarray, total: float, size: float, t: float) -> Estimate:
    """Return the difference of won and lost pairs with Bonett & Price's interval, of a quantile t.

    won, lost: (N,) floats, of clusters or prompts; total: their pairs, which are worth `size` independent ones.
    """
    value = float((won - lost).sum() / total)
    p, q = ((x.sum() / total * size + 1) / (size + 2) for x in (won, lost))
    half = t * np.sqrt((p + q - (p - q) ** 2) / (size + 2))
    low, high = min(value, max(-1.0, p - q - half)), max(value, min(1.0, p - q + half))
    return Estimate(value, float(low), float(high))


def _paired_design_effect(won: np.ndarray, lost: np.ndarray, m: np.ndarray) -> float:
    """With no pair that differs it is the average number of pairs, which makes the clusters the sample.

    A cluster draws the difference towards its own, the more the larger it is, and so its residual is too small. Each is
    divided by one less its part of the pairs, as in the jackknife (Bell & McCaffrey 2002, Survey Methodology 28),
    beside that of clusters of one size.
    """
    total, average = m.sum() + 2, _average(m)
    p, q = (won.sum() + 1) / total, (lost.sum() + 1) / total
    spread = np.square(_drawn(m) * (won - lost - (p - q) * m)).sum() + 2 * average
    return max(1.0, float(spread / ((p + q - (p - q) ** 2) * total)))


def _drawn(m: np.ndarray) -> np.ndarray:
    """By how much each cluster's residual is too small, beside that of clusters of one size."""
    return (1 - 1 / len(m)) / (1 - m / m.sum())


def mean(sums: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate:
    """The mean of a value of images, of any sign, with an interval that knows that images of one cluster are alike.

    sums: floats (G,), of each cluster the sum of its images' values; images: integers (G,), its images; one without any
    does not count. The interval is Student's, for clusters - 1 degrees of freedom, with the cluster-robust variance of
    the ratio and its residuals corrected as in `paired_difference`. None where nothing varies: values that are all 0
    say how little new prompts would differ no more than a single cluster does.
    ValueError: no image.
    """
    value, error, t = _mean(sums, images, confidence)
    return Estimate(value, value - t * error, value + t * error) if error else Estimate(value, None, None)


def positive_mean(values: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate:
    """As `mean`, of values from 0 up, many of which may be 0: the interval is that of the mean's logarithm.

    Its upper end is further away than its lower one, as the mean's distribution is skewed: where a fifth of the
    pictures differ at all, Student's interval of 25 clusters lies below the truth in 8 to 17 % of samples, this one in
    1 to 7 %: the more uneven the distances, the oftener.
    """
    value, error, t = _mean(values, images, confidence)
    if not error:
        return Estimate(value, None, None)
    reach = float(np.exp(t * error / value))
    return Estimate(value, value / reach, value * reach)


def _mean(sums: np.ndarray, images: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Return the mean, its standard error, 0 for none, and the quantile of Student's t."""
    sums, images = np.asarray(sums, float), np.asarray(images, float)
    if sums.ndim != 1 or sums.shape != images.shape or not images.sum() > 0:
        raise ValueError(f"expected two arrays (G,) alike, of one image or more, found {sums.shape}, {images.shape}")
    y, m = sums[images > 0], images[images > 0]
    value = float(y.sum() / m.sum())
    if len(m) == 1:
        return value, 0.0, 0.0
    variance = np.square(_drawn(m) * (y - value * m)).sum() * len(m) / (len(m) - 1) / m.sum() ** 2
    error = float(np.sqrt(variance))
    # Rounding errors of values that are all alike are no spread.
    return (
        value,
        error if error > 1e-12 * max(1.0, abs(value)) else 0.0,
        float(special.stdtrit(len(m) - 1, (1 + confidence) / 2)),
    )


def _average(images: np.ndarray) -> float:
    """Return the size of the cluster of an average image: so many images lie in one where sizes differ."""
    return float(np.square(images, dtype=float).sum() / images.sum())
