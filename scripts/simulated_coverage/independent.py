"""Intervals and tests in worlds whose prompts are independent of one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from eval.measure import effects
from eval.measure.agreement import agreeing
from eval.measure.estimates import paired_difference, probability
from eval.measure.expected_maximum import paired_expected_max_difference, unpaired_expected_max_difference
from eval.measure.significance import LEVEL, mcnemar_p, sign_flips, unpaired_p
from simulated_coverage.worlds import SCENARIOS, Scenario, World

INTERVALS = {
    "probability": "probability",
    "difference": "difference",
    "reduction": "relative reduction",
    "maximum": "difference of expected maxima",
    "unpaired difference": "difference, unpaired",
    "unpaired reduction": "reduction, unpaired",
    "unpaired maximum": "expected maxima, unpaired",
}
RESAMPLES = 999  # of the tests that are to agree with an interval
TESTS = {"flip": "sign flips", "mcnemar": "McNemar, exact", "unpaired": "unpaired permutations"}

AGREEING = tuple(SCENARIOS[number] for number in (0, 1, 3, 4, 6, 7, 13))


def intervals(hits: np.ndarray, second_run: np.ndarray) -> Iterator[tuple[str, float | None, float | None]]:
    """Yield name, low and high of every interval, for two methods' images (2, P, K) and a second run's (2, P, K)."""
    (a, b), (_, c) = hits, second_run
    images = np.full(len(a), a.shape[1])
    first, second, apart = (x.sum(axis=1) for x in (a, b, c))
    won, lost = (a & ~b).sum(axis=1), (b & ~a).sum(axis=1)
    share, share_apart = probability(first, images), probability(apart, images)
    effects_by_name = {
        "probability": share,
        "difference": paired_difference(won, lost, images),
        "reduction": effects.relative_reduction(first, second, images),
        "unpaired difference": effects.unpaired_difference(share, share_apart),
        "unpaired reduction": effects.unpaired_reduction(share, share_apart),
        "maximum": paired_expected_max_difference(first / images, second / images, images),
        "unpaired maximum": unpaired_expected_max_difference(first / images, apart / images),
    }
    yield from ((name, effect.low, effect.high) for name, effect in effects_by_name.items() if effect is not None)


def coverage(scenario: Scenario, runs: int, seed: int = 0) -> dict[str, float]:
    """Return how often each interval contains the truth; runs without one (a reduction from 0) are left out."""
    rng = np.random.default_rng(seed)
    world = World(scenario, rng)
    truth, held = world.truth(), {name: [] for name in INTERVALS}
    for _ in range(runs):
        for name, low, high in intervals(world.draw(rng), world.draw(rng)):
            held[name].append(low - 1e-9 <= truth[name] <= high + 1e-9)
    return {name: float(np.mean(values)) for name, values in held.items()}


def level(scenario: Scenario, runs: int, resamples: int, seed: int = 0) -> dict[str, float]:
    """Return how often each test finds a difference at 5 % between the second method and another equal to it."""
    rng = np.random.default_rng(seed)
    world = World(replace(scenario, first=scenario.second), rng)
    counts = dict.fromkeys(TESTS, 0)
    for run in range(runs):
        (a, b), (_, c) = world.draw(rng), world.draw(rng)
        won, lost = (a & ~b).sum(axis=1), (b & ~a).sum(axis=1)
        images = np.full(len(a), a.shape[1])
        counts["flip"] += sign_flips((won - lost)[:, None], images[:, None], resamples, run).p[0] <= LEVEL
        counts["mcnemar"] += mcnemar_p(int(won.sum()), int(lost.sum())) <= LEVEL
        counts["unpaired"] += unpaired_p(a.sum(axis=1), images, c.sum(axis=1), images, resamples, run) <= LEVEL
    return {name: count / runs for name, count in counts.items()}


AGREED = ("extended to 0", "cut at 0", "found by the interval", "found by the test", "holds", "holds, agreed")


class Agreement:
    """Counts of what the rule changes by which a test and an interval never disagree on zero."""

    def __init__(self) -> None:
        self._runs: list[tuple[bool, ...]] = []

    def count(self, won: np.ndarray, lost: np.ndarray, images: np.ndarray, p: float, truth: float) -> None:
        """Count one difference, of clusters' pairs (G,) each, with the p of its sign flips and its true value."""
        alone = paired_difference(won, lost, images, 1 - LEVEL)
        agreed, excludes = agreeing(p, alone, 0.5 / images.sum()), not alone.low <= 0 <= alone.high
        self._runs.append(
            (
                excludes and p > LEVEL,
                not excludes and p <= LEVEL,
                excludes,
                p <= LEVEL,
                alone.low <= truth <= alone.high,
                agreed.low <= truth <= agreed.high,
            )
        )

    def shares(self) -> dict[str, float]:
        """Return the shares of runs, by name."""
        return dict(zip(AGREED, np.mean(self._runs, axis=0).tolist(), strict=True))


def agreement(scenario: Scenario, runs: int, resamples: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return what the rule changes where methods differ as in the scenario, and where they don't."""
    shares = {}
    for name, world_of in (("different", scenario), ("equal", replace(scenario, first=scenario.second))):
        rng, counts = np.random.default_rng(seed), Agreement()
        world = World(world_of, rng)
        truth = world.truth()["difference"] if name == "different" else 0.0
        for run in range(runs):
            a, b = world.draw(rng)
            won, lost = (a & ~b).sum(axis=1), (b & ~a).sum(axis=1)
            images = np.full(len(a), a.shape[1])
            p = sign_flips((won - lost)[:, None], images[:, None], resamples, run).p[0]
            counts.count(won, lost, images, float(p), truth)
        shares[name] = counts.shares()
    return shares
