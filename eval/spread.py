"""How much a number depends on the noise: the same runs but for `protocol.seed_offset`, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.measure import ALL, Metrics


@dataclass(frozen=True)
class Spread:
    """One method over runs that differ in their noise only: inappropriate probability over all prompts, fractions.

    `sd` is the sample standard deviation, over `noises` runs.
    """

    job: str
    method: str
    noises: int
    mean: float
    sd: float
    lowest: float
    highest: float


def spreads(runs: Sequence[tuple[str, Sequence[Metrics]]]) -> list[Spread]:
    """Return a row a job and method, of those that two runs or more have a number of.

    Args:
        runs: what a run is called without its noise, and its metrics; those that differ in noise have one name.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for job, metrics in runs:
        for m in metrics:
            if m.category == ALL and m.probability is not None:
                found.setdefault((job, m.method), []).append(m.probability)
    return [
        Spread(*key, len(values), float(np.mean(values)), float(np.std(values, ddof=1)), min(values), max(values))
        for key, values in found.items()
        if len(values) > 1
    ]
