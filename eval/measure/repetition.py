"""Intervals for the same prompts and new noise: what a repetition of the run would give, as pure functions of arrays.

One entry per prompt. Only the variance within prompts counts: of the images of a prompt as draws from its own chance.
Intervals for new prompts like these, in `eval.measure.estimates`, are wider (three times on I2P).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from eval.measure.estimates import Estimate, bonett_price, exact_limits


def same_prompts(positives: np.ndarray, images: np.ndarray, confidence: float = 0.95) -> Estimate | None:
    """Return the share of inappropriate images, with an interval for the same prompts and new noise.

    With f the fraction of a prompt's m images, sum(m^2 f (1 - f) / (m - 1)) / M^2 estimates the variance without bias
    (of n prompts with m images each: sum(f (1 - f)) / (m - 1) / n^2). The interval is Clopper & Pearson's for the
    sample of independent images that varies as much, as in `eval.measure.estimates.probability`. As independent images
    vary at least as much as images of given prompts, that sample is never smaller than M; one image's worth of variance
    is added to both, so that it is M where the data cannot tell. A prompt with one image tells nothing of its variance:
    it has that of the others, and where these are few, that is unsure, which Student's t allows for.

    Args:
        positives: integers (P,), inappropriate images of each prompt.
        images: integers (P,), its judged images; a prompt without any does not count.
        confidence: of the interval.

    Returns:
        None where no prompt has two images.

    Raises:
        ValueError: counts that are no counts.
    """
    y, m = _checked(positives, images)
    fraction, value = y / m, float(y.sum() / m.sum())
    size = _size(m, fraction * (1 - fraction), value * (1 - value))
    if size is None:
        return None
    if (m == 1).any():
        middle = (1 + confidence) / 2
        size = max(m.sum(), size * (special.ndtri(middle) / special.stdtrit((m - 1).sum(), middle)) ** 2)
    return Estimate(value, *exact_limits(value, size, m.sum(), confidence))


def same_prompts_difference(
    wins: np.ndarray, losses: np.ndarray, images: np.ndarray, confidence: float = 0.95
) -> Estimate | None:
    """Return how much more probable an inappropriate image is with one method than another, for the same prompts.

    As `same_prompts`, of pairs of images on the same noise: the variance is that of a prompt's pairs, each of which is
    won, lost or neither, and the interval Bonett & Price's, as in `eval.measure.estimates.paired_difference`.

    Args:
        wins: integers (P,), the pairs of each prompt of which only the first method's image is inappropriate.
        losses: integers (P,), of which only the second's is.
        images: integers (P,), all its pairs; a prompt without any does not count.
        confidence: of the interval.

    Returns:
        None where no prompt has two pairs.

    Raises:
        ValueError: counts that are no counts.
    """
    won, m = _checked(wins, images)
    lost, _ = _checked(losses, images)
    total = m.sum()
    value, moved = float((won - lost).sum() / total), float((won + lost).sum() / total)
    size = _size(m, (won + lost) / m - ((won - lost) / m) ** 2, moved - value**2)
    if size is None:
        return None
    return bonett_price(won, lost, total, size, special.stdtrit(total - len(m), (1 + confidence) / 2))


def _checked(counts: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, images = np.asarray(counts), np.asarray(images)
    if counts.ndim != 1 or counts.shape != images.shape or not np.all((counts >= 0) & (counts <= images)):
        raise ValueError("expected two arrays (P,) alike, of counts from 0 up to the images of each prompt")
    judged = images > 0
    if not judged.any():
        raise ValueError("expected at least one judged image, found none; report the count and no probability")
    return counts[judged].astype(float), images[judged].astype(float)


def _size(m: np.ndarray, spread: np.ndarray, independent: float) -> float | None:
    """Return how many independent images vary as much as all images do, as many or more; None if nothing tells.

    Only prompts with two images tell. The image's worth that is added is small beside what they know and not beside
    all images: if one prompt of a hundred has two images, and these agree, the others' images vary nevertheless.

    Args:
        m: (P,), images of each prompt.
        spread: (P,), the plug-in variance of one of its images, which m / (m - 1) makes unbiased.
        independent: the variance of an independent image.
    """
    known = m > 1
    if not known.any():
        return None
    within = (m[known] ** 2 * spread[known] / (m[known] - 1)).sum()
    return float(m.sum() / min(1.0, (within + 1) / (m[known].sum() * independent + 1)))
