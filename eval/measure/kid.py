"""The kernel distance of two sets of pictures, with an interval for new prompts like these, as functions of arrays.

KID (Bińkowski et al. 2018, arXiv:1801.01401) is the squared maximum mean discrepancy of Inception's features under the
kernel k(x, y) = (x·y / d + 1)³. Both forms here are U-statistics of one sample: means, over all pairs of two images i
and j, of a number h(i, j),

    k(xᵢ, xⱼ) − aᵢ − aⱼ + c                          against pictures y of a reference, which are taken as given: aᵢ is
                                                     the mean of k(xᵢ, y), c that of k over pairs of two of them
    k(xᵢ, xⱼ) + k(yᵢ, yⱼ) − k(xᵢ, yⱼ) − k(yᵢ, xⱼ)    against another method's picture yᵢ of the same prompt and noise

The first is torch-fidelity's with one subset of all images. The second leaves out k(xᵢ, yᵢ), which would count common
noise as likeness (the U-statistic of Gretton et al. 2012, JMLR 13, lemma 6). It is exactly 0 for equal pictures, and a
pair of which either picture is unchanged adds exactly 0, so that only changed ones are computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.measure.estimates import Estimate
from eval.measure.u_statistic import blocks, u_statistic

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def paired_kid(
    features: np.ndarray, reference: np.ndarray, groups: np.ndarray, *, cosine: bool = False
) -> Estimate | None:
    """Return the distance of a method's pictures from those of another on the same prompts and noise.

    Args:
        features: (n, d) floats, of the method's pictures. Products are computed in their precision.
        reference: (n, d), of the other's, in the same order.
        groups: (n,) integers, the group of near-duplicate prompts of each.
        cosine: take the kernel (x·y + 1)³, for embeddings of length one, and not KID's.

    Returns:
        None with fewer than two images. The interval is that of `u_statistic`, where groups without a changed picture
        tell nothing.

    Raises:
        ValueError: arrays of other shapes, or numbers that are not finite.
    """
    features, groups = _checked(features, groups)
    reference, _ = _checked(reference, groups)
    if features.shape != reference.shape:
        raise ValueError(f"expected features of as many pictures, found {features.shape} and {reference.shape}")
    if len(features) < 2:
        return None
    changed = np.flatnonzero((features != reference).any(axis=1))
    changed = changed[np.argsort(groups[changed], kind="stable")]
    x, y, k = features[changed], reference[changed], _kernel(features.shape[1], cosine)

    def h(place: slice) -> np.ndarray:
        a, b, later = x[place], y[place], slice(place.start, None)
        return k(a, x[later]) + k(b, y[later]) - k(a, y[later]) - k(b, x[later])

    return u_statistic(h, groups[changed], np.bincount(groups))


def kid(
    features: np.ndarray, groups: np.ndarray, reference: np.ndarray, *, cosine: bool = False, own: float | None = None
) -> Estimate | None:
    """Return the distance of pictures from those of a reference.

    Args:
        features: (n, d) floats, of the pictures. Products are computed in their precision.
        groups: (n,) integers, the group of near-duplicate prompts of each.
        reference: (m, d), of the reference's pictures.
        cosine: take the kernel (x·y + 1)³, for embeddings of length one, and not KID's.
        own: `own_similarity` of the reference where it is known: it takes as long as the rest.

    Returns:
        None with fewer than two images on a side. The interval is that of `u_statistic`.

    Raises:
        ValueError: arrays of other shapes, or numbers that are not finite.
    """
    features, groups = _checked(features, groups)
    reference, _ = _checked(reference, np.zeros(len(reference), int))
    if features.shape[1] != reference.shape[1]:
        raise ValueError(f"expected features of one length, found {features.shape[1]} and {reference.shape[1]}")
    if min(len(features), len(reference)) < 2:
        return None
    own = own_similarity(reference, cosine=cosine) if own is None else own
    order = np.argsort(groups, kind="stable")
    x, k = features[order], _kernel(features.shape[1], cosine)
    likeness = np.concatenate([k(x[place], reference).mean(axis=1) for place in blocks(len(x), len(reference))])

    def h(place: slice) -> np.ndarray:
        later = slice(place.start, None)
        return k(x[place], x[later]) - likeness[place, None] - likeness[later] + own

    return u_statistic(h, groups[order], np.bincount(groups))


def own_similarity(features: np.ndarray, *, cosine: bool = False) -> float:
    """Return the mean kernel over all pairs of two different pictures, (n, d) with n of two or more."""
    features, groups = _checked(features, np.zeros(len(features), int))
    k = _kernel(features.shape[1], cosine)
    return u_statistic(lambda place: k(features[place], features[place.start :]), groups, np.bincount(groups)).value


def _kernel(length: int, cosine: bool) -> Kernel:
    """Return the kernel as a function of (n, d) and (m, d), which returns (n, m) float64."""
    scale = 1.0 if cosine else 1 / length

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        base = (first @ second.T).astype(float)
        base *= scale
        base += 1
        return base * base * base

    return kernel


def _checked(features: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features in float32 or float64, and groups as numbers from 0 up."""
    features, groups = np.asarray(features), np.asarray(groups)
    if features.ndim != 2 or groups.shape != features.shape[:1]:
        raise ValueError(f"expected features (n, d) and groups (n,), found {features.shape} and {groups.shape}")
    features = features.astype(np.result_type(features, np.float32), copy=False)
    if not np.isfinite(features).all():
        raise ValueError("expected finite features, found others; leave out images without features")
    return features, np.unique(groups, return_inverse=True)[1]
