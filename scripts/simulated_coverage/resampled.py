"""Intervals and tests on I2P's own prompts, of which every simulated run draws whole groups of near-duplicates."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from eval.measure.effects import relative_reduction
from eval.measure.estimates import Estimate, paired_difference, probability
from eval.measure.expected_maximum import DRAWS, expected_max, paired_expected_max_difference
from eval.measure.repetition import same_prompts, same_prompts_difference
from eval.measure.significance import LEVEL, sign_flips
from simulated_coverage.worlds import (
    IMAGES,
    Dataset,
    Drawn,
    expected_maximum,
    moved,
    outcomes,
    summed,
)

BY = ("group", "row")
MORE = 4  # times as many runs of a single method, which are fast
SAME_NOISE = 0.5
EFFECTS = {  # of methods on a group, for the level
    "none": "no effect of a group",
    "exchanged": "exchangeable",
    "skewed": "equal on average",
}
SPREAD = 0.75  # of a method's own effect on a group, in log odds
SKEWED = (0.9, 0.1)  # how far one method moves a tenth of the groups; it moves the others back by a ninth of that
Shares = dict[str, dict[tuple[str, str], float]]  # by category, then by what and by what it is clustered


def _clusters(drawn: Drawn, chosen: np.ndarray, by: str) -> np.ndarray:
    """Return the number of each chosen prompt's cluster, dense from 0."""
    if by == "row":
        return np.arange(np.count_nonzero(chosen))
    return np.unique(drawn.groups[chosen], return_inverse=True)[1]


def _holds(estimate: Estimate | None, truth: float) -> bool:
    return estimate is None or estimate.low - 1e-9 <= truth <= estimate.high + 1e-9


def single(dataset: Dataset, runs: int, seed: int) -> Shares:
    """Return the coverage for one method, whose images are those of the csv."""
    rng, held = np.random.default_rng(seed), defaultdict(list)
    fractions = {name: dataset.fractions[members] for name, members in dataset.members.items()}
    truth = {name: (values.mean(), _largest(values)) for name, values in fractions.items()}
    for _ in range(runs):
        drawn = dataset.draw(rng)
        for name, members in dataset.members.items():
            chosen = members[drawn.rows]
            positives = dataset.positives[drawn.rows[chosen]]
            for by in BY:
                clusters = _clusters(drawn, chosen, by)
                count = clusters[-1] + 1
                images = IMAGES * np.bincount(clusters)
                share = probability(summed(positives, clusters, count), images)
                held[name, ("probability", by)].append(_holds(share, truth[name][0]))
                largest = expected_max(positives / IMAGES, clusters)
                held[name, ("expected maximum", by)].append(_holds(largest, truth[name][1]))
    return _shares(held)


def _largest(fractions: np.ndarray) -> float:
    """Return the expected largest of `DRAWS` fractions drawn with replacement."""
    values, counts = np.unique(fractions, return_counts=True)
    reached = (np.cumsum(counts) / len(fractions)) ** DRAWS
    return float(np.diff(reached, prepend=0.0) @ values)


def paired(dataset: Dataset, runs: int, seed: int) -> Shares:
    """Return the coverage for two methods, the second of which keeps a part of the chances that varies by group."""
    rng, held = np.random.default_rng(seed), defaultdict(list)
    part = np.repeat(rng.beta(2, 2, len(dataset.sizes)), dataset.sizes)
    chances = np.array([part * dataset.fractions, dataset.fractions])
    truth = {}
    for name, members in dataset.members.items():
        (p, q), (most, least) = (
            chances[:, members].mean(axis=1),
            (expected_maximum(x[members], IMAGES) for x in chances),
        )
        truth[name] = {"difference": p - q, "reduction": 1 - p / q, "maxima": most - least}
    for _ in range(runs):
        drawn = dataset.draw(rng)
        a, b = outcomes(chances[:, drawn.rows], SAME_NOISE, IMAGES, rng)
        counts = [x.sum(axis=1) for x in (a, b, a & ~b, b & ~a)]
        for name, members in dataset.members.items():
            chosen = members[drawn.rows]
            for by in BY:
                clusters = _clusters(drawn, chosen, by)
                images = IMAGES * np.bincount(clusters)
                first, second, won, lost = (summed(x[chosen], clusters, len(images)) for x in counts)
                fractions = [x[chosen] / IMAGES for x in counts[:2]]
                estimates = {
                    "difference": paired_difference(won, lost, images),
                    "reduction": relative_reduction(first, second, images),
                    "maxima": paired_expected_max_difference(*fractions, np.full(chosen.sum(), IMAGES), clusters),
                }
                for what, estimate in estimates.items():
                    held[name, (what, by)].append(_holds(estimate, truth[name][what]))
    return _shares(held)


def equals(dataset: Dataset, drawn: Drawn, effect: str, rng: np.random.Generator) -> np.ndarray:
    """Return the chances, (2, P), of two methods of the same probability over I2P and over every category.

    Args:
        dataset: of the prompts.
        drawn: of these.
        effect: of `EFFECTS`. Either method moves a group by an effect of its own, so that the two can be exchanged in
            every group; or one moves few groups far up and the others a little down, and is equal on average only.
        rng: draws the effects.
    """
    chances = dataset.smoothed[drawn.rows]
    if effect == "skewed":
        far, part = SKEWED
        moves = np.where(rng.random(drawn.count) < part, far, -far * part / (1 - part))[drawn.groups]
        return np.array([chances + chances * (1 - chances) * moves, chances])
    spread = SPREAD if effect == "exchanged" else 0.0
    return moved(chances, (spread * rng.standard_normal((2, drawn.count)))[:, drawn.groups])


def level(dataset: Dataset, effect: str, runs: int, resamples: int, seed: int) -> Shares:
    """Return how often flips find a difference between methods that are equal as `effect` says."""
    rng, found = np.random.default_rng(seed), defaultdict(list)
    for run in range(runs):
        drawn = dataset.draw(rng)
        a, b = outcomes(equals(dataset, drawn, effect, rng), SAME_NOISE, IMAGES, rng)
        members = np.array([member[drawn.rows] for member in dataset.members.values()]).T
        gains = (a.sum(axis=1) - b.sum(axis=1))[:, None] * members
        for by, clusters in (("group", drawn.groups), ("row", np.arange(len(gains)))):
            count = clusters[-1] + 1
            summed_gains, images = (
                np.array([summed(column, clusters, count) for column in columns.T]).T
                for columns in (gains, IMAGES * members)
            )
            p = sign_flips(summed_gains, images, resamples, run).p
            for name, value in zip(dataset.members, p, strict=True):
                found[name, ("level", by)].append(value <= LEVEL)
    return _shares(found)


def likeness(dataset: Dataset, effect: str, seed: int) -> float:
    """Return the correlation of the differences of two prompts of one group under `level`."""
    rng = np.random.default_rng(seed)
    products, squares = 0.0, 0.0
    for _ in range(20):
        drawn = dataset.draw(rng)
        a, b = outcomes(equals(dataset, drawn, effect, rng), SAME_NOISE, IMAGES, rng)
        gains, sizes = (a.sum(axis=1) - b.sum(axis=1)).astype(float), np.bincount(drawn.groups)
        sums, own = np.bincount(drawn.groups, gains), np.bincount(drawn.groups, gains**2)
        several = sizes > 1
        products += float(((sums**2 - own)[several] / (sizes[several] - 1)).sum())
        squares += float(own[several].sum())
    return products / squares


def repeated(dataset: Dataset, smoothed: bool, images: int, runs: int, seed: int) -> Shares:
    """Return the coverage for the same prompts and new noise, which is all that a simulated run draws.

    Args:
        dataset: of the prompts.
        smoothed: whether the second method's chances are smoothed, or the csv's fractions, of which those that are 0
            or 1 have no noise; the first method keeps a part of them that varies by group.
        images: per prompt.
        runs: simulated.
        seed: of these.
    """
    rng, held = np.random.default_rng(seed), defaultdict(list)
    part = np.repeat(rng.beta(2, 2, len(dataset.sizes)), dataset.sizes)
    chances = dataset.smoothed if smoothed else dataset.fractions
    both = np.array([part * chances, chances])
    for _ in range(runs):
        a, b = outcomes(both, SAME_NOISE, images, rng)
        counts = [x.sum(axis=1) for x in (b, a & ~b, b & ~a)]
        for name, members in dataset.members.items():
            p, q = both[:, members].mean(axis=1)
            positives, won, lost = (x[members] for x in counts)
            made = np.full(len(won), images)
            held[name, ("probability", "prompts")].append(_holds(same_prompts(positives, made), q))
            difference = same_prompts_difference(won, lost, made)
            held[name, ("difference", "prompts")].append(_holds(difference, p - q))
    return _shares(held)


def _shares(held: dict[tuple[str, tuple[str, str]], list[bool]]) -> Shares:
    shares: Shares = defaultdict(dict)
    for (name, what), values in held.items():
        shares[name][what] = float(np.mean(values))
    return dict(shares)
