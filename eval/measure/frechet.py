"""The Fréchet distance of two sets of Inception features, FID, as functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.base.words import counted

FEWEST = 2048  # pictures a side: with fewer than the features are long, the covariances say more of n than of pictures
ROWS = 4096  # at once


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance of features.

    Attributes:
        mean: (d,) float64.
        covariance: (d, d) float64, with n - 1 in its denominator.
        count: pictures; None where stored statistics do not say.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int | None = None


def statistics(features: np.ndarray) -> Statistics:
    """Return mean and covariance of features, (n, d) with n of two or more; in float64, and memory of a few rows."""
    count, length = features.shape
    mean = features.mean(axis=0, dtype=float)
    scatter = np.zeros((length, length))
    for start in range(0, count, ROWS):
        centred = features[start : start + ROWS] - mean
        scatter += centred.T @ centred
    return Statistics(mean, scatter / (count - 1), count)


def why_none(images: int, reference: int | None) -> str | None:
    """Return in words why there is no FID of so many pictures; None where there is one.

    Args:
        images: of the method.
        reference: pictures of the reference; None where stored statistics do not say.
    """
    if images >= FEWEST and (reference is None or reference >= FEWEST):
        return None
    few = counted(images, "picture") if images < FEWEST else f"{counted(reference, 'picture')} in the reference"
    return f"FID needs {FEWEST:,} pictures a side, found {few}: with fewer its bias exceeds most differences"


def fid(features: np.ndarray, reference: np.ndarray | Statistics) -> float | None:
    """Return the Fréchet distance of features from a reference; None where `why_none` has a reason.

    As Heusel et al. 2017 (arXiv:1706.08500): |m − m'|² + tr(S + S' − 2 (S S')^½), as pytorch-fid and torch-fidelity
    compute it of their features. The trace of the root is that of (S^½ S' S^½)^½, which is symmetric: it needs neither
    complex roots nor the offset that pytorch-fid adds to singular covariances.

    Args:
        features: (n, d).
        reference: (m, d), or statistics of such.

    Raises:
        ValueError: another length of the reference.
    """
    count = reference.count if isinstance(reference, Statistics) else len(reference)
    if why_none(len(features), count) is not None:
        return None
    if not isinstance(reference, Statistics) and np.array_equal(features, reference):
        return 0.0  # exactly, which rounding would hide
    return distance(statistics(features), reference if isinstance(reference, Statistics) else statistics(reference))


def distance(first: Statistics, second: Statistics) -> float:
    """Return the Fréchet distance of two normal distributions."""
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"expected features of one length, found {len(first.mean)} and {len(second.mean)}")
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.linalg.eigvalsh(root @ second.covariance @ root)
    apart = first.mean - second.mean
    trace = np.trace(first.covariance) + np.trace(second.covariance) - 2 * np.sqrt(np.maximum(common, 0)).sum()
    return float(apart @ apart + trace)
