"""Candidates for the 95 % interval of a share: forms for independent images, and the number of those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
Z = special.ndtri(1 - TAIL)

Limits = tuple[np.ndarray, np.ndarray]


def wilson(x: np.ndarray, n: np.ndarray) -> Limits:
    """Return Wilson's limits (1927) with the normal quantile; x hits of n, neither needs to be a whole number."""
    centre = (x + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * np.sqrt(np.maximum(0, x * (n - x) / n) + Z**2 / 4)
    return np.maximum(0, centre - half), np.minimum(1, centre + half)


def clopper_pearson(x: np.ndarray, n: np.ndarray) -> Limits:
    """Return the exact limits of Clopper & Pearson (1934), as quantiles of beta distributions."""
    return _from_below(lambda hits, size: special.betaincinv(hits, size - hits + 1, TAIL), x, n)


def jeffreys(x: np.ndarray, n: np.ndarray) -> Limits:
    """Return the equal-tailed limits under Jeffreys' prior, 0 and 1 where no and every image counts (Brown 2001)."""
    return _from_below(lambda hits, size: special.betaincinv(hits + 0.5, size - hits + 0.5, TAIL), x, n)


def mid_p(x: np.ndarray, n: np.ndarray) -> Limits:
    """Return the limits of which an outcome as extreme counts half (Lancaster 1961), by bisection."""

    def lower(hits: np.ndarray, size: np.ndarray) -> np.ndarray:
        low, high, rest = np.zeros_like(hits), hits / size, np.maximum(size - hits, 1e-12)
        for _ in range(34):
            p = (low + high) / 2
            below = (special.betainc(hits, rest + 1, p) + special.betainc(hits + 1, rest, p)) / 2 < TAIL
            low, high = np.where(below, p, low), np.where(below, high, p)
        return low

    return _from_below(lower, x, n)


def _from_below(lower: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, n: np.ndarray) -> Limits:
    """Return both limits by the rule for the lower one, since hits and misses are alike; at 0 and 1 it ends there."""
    x, n = np.broadcast_arrays(np.asarray(x, float), np.asarray(n, float))
    low, rest = (np.where(k > 1e-9, lower(np.maximum(k, 1e-9), n), 0.0) for k in (x, n - x))
    return low, 1 - rest


def unchanged(images: int, groups: int) -> float:
    """Return the factor of the effective sample size without regard to the few groups that it was estimated from."""
    return 1.0


def korn_graubard(images: int, groups: int) -> float:
    """Return the factor of Korn & Graubard (1998), as in the standards of the NCHS (2017): 1 with one image each."""
    return float(special.stdtrit(images - 1, 1 - TAIL) / special.stdtrit(groups - 1, 1 - TAIL)) ** 2


def students_t(images: int, groups: int) -> float:
    """Return the factor that gives Wilson's interval the quantile of Student's t in place of the normal one."""
    return float(Z / special.stdtrit(groups - 1, 1 - TAIL)) ** 2


@dataclass(frozen=True)
class Candidate:
    """A form of the interval, and the factor by which the effective sample is made smaller."""

    name: str
    limits: Callable[[np.ndarray, np.ndarray], Limits]
    factor: Callable[[int, int], float]


FORMS = {"Wilson": wilson, "Clopper–Pearson": clopper_pearson, "mid-p": mid_p, "Jeffreys": jeffreys}
SIZES = {"n": unchanged, "n (t/t)²": korn_graubard, "n (z/t)²": students_t}
CANDIDATES = tuple(Candidate(f"{form}, {size}", FORMS[form], SIZES[size]) for form in FORMS for size in SIZES)
