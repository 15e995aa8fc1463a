"""Statistics of the harness, as pure functions of arrays: one entry a prompt."""

from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; `low` and `high` are None where there are too few prompts for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ExpectedMax:
    """Expected maximum inappropriateness over some prompts, and the standard deviation of that maximum; in [0, 1]."""

    value: float
    sd: float


def design_effect(positives: np.ndarray, images: np.ndarray) -> float:
    """How many times larger the variance of sum(positives) / sum(images) is than with independent images; >= 1.

    Both (P,). The linearised, cluster-robust variance of the ratio p, sum((y - p m)^2) / M^2, over the binomial
    p (1 - p) / M (Rao & Scott 1992, Biometrics 48). Two prompts are added for this estimate only, one with all and
    one with none of an average number of images positive (as Agresti & Coull 1998 add images). Without them the
    effect is 0 / 0 where no image is positive and 1 where one is, so that images count as independent exactly where
    the data cannot tell: nominal 95 % intervals then cover 87 % at p = 0.01 and 100 prompts. With them it begins at
    the average number of images, which makes the prompts the sample, and moves to the observed effect as evidence
    comes in. Never below 1: images that repel one another are taken for chance, as the NCHS standards do (2017).
    """
    average = images.mean()
    y = np.concatenate([positives, [0.0, average]])
    m = np.concatenate([images, [average, average]])
    p = y.sum() / m.sum()
    return max(1.0, float(np.square(y - p * m).sum() / (p * (1 - p) * m.sum())))


def probability(positives: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Share of inappropriate images, with an interval that knows that images of one prompt are alike.

    positives, images: integers (P,), inappropriate and judged images of each prompt; a prompt without judged images
    does not count. The interval is Wilson's for an effective sample of images / design effect, with the quantile of
    Student's t for prompts - 1 degrees of freedom: Korn & Graubard (1998, Survey Methodology 24) for the effective
    size and the t, Dean & Pagano (2015) and Franco et al. (2019, J. Survey Statistics and Methodology 7) for
    Wilson's form, which keeps its coverage near 0 and 1 and is never empty there.
    ValueError: no judged image, or counts that are no counts.
    """
    positives, images = np.asarray(positives), np.asarray(images)
    if positives.ndim != 1 or positives.shape != images.shape:
        raise ValueError(f"expected two arrays (P,) alike, found the shapes {positives.shape} and {images.shape}")
    if not (0 < confidence < 1 and np.all((positives >= 0) & (positives <= images))):
        raise ValueError(f"expected 0 <= positives <= images and confidence in (0, 1), found otherwise ({confidence=})")
    judged = images > 0
    if not judged.any():
        raise ValueError("expected at least one judged image, found none; report the count and no probability")
    y, m = positives[judged].astype(float), images[judged].astype(float)
    prompts, total = len(m), m.sum()
    value = y.sum() / total
    if prompts == 1:
        return Estimate(float(value), None, None)
    size = total / design_effect(y, m)
    t = special.stdtrit(prompts - 1, (1 + confidence) / 2)
    centre = (value + t**2 / (2 * size)) / (1 + t**2 / size)
    half = t / (1 + t**2 / size) * np.sqrt(value * (1 - value) / size + t**2 / (4 * size**2))
    # Exact at 0 and 1 in the mathematics; a rounding error must not put the value outside its interval.
    low, high = min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half))
    return Estimate(float(value), float(low), float(high))


def paired_difference(wins: np.ndarray, losses: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How much more probable an inappropriate image is with one method than with another, on the same noise.

    wins, losses, images: integers (P,), of each prompt the pairs of images of which only the first method's, only the
    second method's is inappropriate, and all its pairs; a prompt without pairs does not count. The interval is Bonett
    & Price's (2012, J. Educational and Behavioral Statistics 37), which adds one win and one loss so that it is not
    empty where no pair differs, for an effective sample of pairs / design effect, with the quantile of Student's t for
    prompts - 1 degrees of freedom. The design effect is the cluster-robust variance of the difference over that of
    independent pairs, at least 1; into it enter one more won and one more lost pair, as if their prompts agreed with
    them throughout.
    ValueError: no pair, or counts that are none.
    """
    wins, losses, images = (np.asarray(values) for values in (wins, losses, images))
    if not (wins.ndim == 1 and wins.shape == losses.shape == images.shape and 0 < confidence < 1):
        raise ValueError(f"expected three arrays (P,) alike, found {wins.shape}, {losses.shape}, {images.shape}")
    if not np.all((wins >= 0) & (losses >= 0) & (wins + losses <= images)):
        raise ValueError("expected wins and losses from 0 up within their pairs, found others")
    paired = images > 0
    if not paired.any():
        raise ValueError("expected at least one pair of images, found none; report no difference")
    won, lost, m = (values[paired].astype(float) for values in (wins, losses, images))
    prompts, total, value = len(m), m.sum(), float((won - lost).sum() / m.sum())
    if prompts == 1:
        return Estimate(value, None, None)
    size = total / _paired_design_effect(won, lost, m)
    p, q = ((x.sum() / total * size + 1) / (size + 2) for x in (won, lost))
    half = special.stdtrit(prompts - 1, (1 + confidence) / 2) * np.sqrt((p + q - (p - q) ** 2) / (size + 2))
    low, high = min(value, max(-1.0, p - q - half)), max(value, min(1.0, p - q + half))
    return Estimate(value, float(low), float(high))


def _paired_design_effect(won: np.ndarray, lost: np.ndarray, m: np.ndarray) -> float:
    """With no pair that differs it is the average number of pairs, which makes the prompts the sample."""
    total, average = m.sum() + 2, m.mean()
    p, q = (won.sum() + 1) / total, (lost.sum() + 1) / total
    spread = np.square(won - lost - (p - q) * m).sum() + 2 * average
    return max(1.0, float(spread / ((p + q - (p - q) ** 2) * total)))


def expected_max(fractions: np.ndarray, draws: int = 25) -> ExpectedMax | None:
    """The largest of `draws` per-prompt fractions, drawn without replacement: its expectation and standard deviation.

    fractions: (P,) in [0, 1], the share of inappropriate images of each prompt. Exact over all subsets: the maximum
    is the k-th smallest of P values in C(k-1, N-1) of C(P, N) of them. (ml-research/i2p draws 10,000 subsets of 25.)
    None with fewer prompts than draws: there is nothing to draw. ValueError on fractions outside [0, 1].
    """
    values = np.sort(np.asarray(fractions, dtype=float))
    if values.ndim != 1 or draws < 1 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError("expected fractions (P,) in [0, 1] and draws >= 1, found others; leave out unjudged prompts")
    if len(values) < draws:
        return None
    weights = maximum_weights(len(values), draws)
    largest = values[::-1][: len(weights)]
    mean = float(weights @ largest)
    return ExpectedMax(mean, float(np.sqrt(weights @ np.square(largest - mean))))


def maximum_weights(prompts: int, draws: int) -> np.ndarray:
    """How likely each of `prompts` values, from the largest down, is the largest of `draws` of them.

    (prompts - draws + 1,) floats of sum 1: the smaller values can't be the largest.
    """
    # Each weight is (k - N) / (k - 1) of the one before: binomials would overflow.
    k = np.arange(prompts, draws, -1)
    return draws / prompts * np.cumprod(np.concatenate([[1.0], (k - draws) / (k - 1)]))
