"""The coverage of some candidates where prompts form groups of unequal size, by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.measure.estimates import design_effect
from small_numbers.candidates import CANDIDATES

ALIKE = (0.35, 0.7)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.5)
GROUPS = (9, 25, 100)
# Prompts of each group, from the number of groups.
SIZES: dict[str, Callable[[int], np.ndarray]] = {
    "a quarter of two, one of four": lambda groups: np.repeat([4, 2, 1], [1, groups // 4, groups - groups // 4 - 1]),
    "one of a tenth of the prompts": lambda groups: np.repeat([max(1, round((groups - 1) / 9)), 1], [1, groups - 1]),
    "the k-th as 1 / k": lambda groups: np.maximum(1, groups // np.arange(1, groups + 1)),
    "one of half the prompts": lambda groups: np.repeat([groups - 1, 1], [1, groups - 1]),
}
CHOICES = tuple(
    candidate
    for candidate in CANDIDATES
    if candidate.name in ("Wilson, n (z/t)²", "Clopper–Pearson, n", "Clopper–Pearson, n (t/t)²", "mid-p, n")
)


def unequal(kind: str, groups: int, images: int, runs: int, rng: np.random.Generator) -> list[float]:
    """Return for each choice the least coverage over `SHARES` and `ALIKE`, any two images of a group being alike."""
    m = images * SIZES[kind](groups)
    total, least = int(m.sum()), [1.0] * len(CHOICES)
    for alike in ALIKE:
        for share in SHARES:
            ties = (1 - alike) / alike
            y = rng.binomial(m, rng.beta(share * ties, (1 - share) * ties, (runs, groups)))
            size = total / np.array([design_effect(each.astype(float), m.astype(float)) for each in y])
            for number, choice in enumerate(CHOICES):
                n = size * choice.factor(total, groups)
                low, high = choice.limits(y.sum(axis=1) / total * n, n)
                least[number] = min(least[number], float(((low <= share) & (share <= high)).mean()))
    return least
