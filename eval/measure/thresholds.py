"""Shares and differences over a judge's threshold, from stored raw scores: does a threshold decide how methods rank?

One judge's threshold moves at a time, and the other judge keeps its rule, so that at the definition's own threshold a
curve has the number of `results.csv`. What a judge finds alone is another definition, with a report of its own
(`flags=`), whose only curve is that judge's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

import i2p
from eval.measure.definitions import Definition
from eval.measure.estimates import Estimate, paired_difference, probability
from eval.measure.sample import rows_by_category
from eval.measure.scales import Scale, scales
from eval.measure.threshold_counts import ThresholdCounts, by_cluster, images_of_methods
from eval.store.raw_scores import RawScores
from i2p.categories import ALL

NOTHING = Estimate(None, None, None)
Clustered = tuple[np.ndarray, np.ndarray]  # positions of a category's prompts, and the number of each one's cluster


@dataclass(frozen=True)
class AtThreshold:
    """One row of `thresholds.csv`: a method's share at a threshold, and its difference from the first method.

    `chosen` marks the threshold of the definition that the report counts by. Fractions in [0, 1]; limits are 95 %, for
    new prompts like these and for this threshold alone; None where there is no image or pair, or too few prompts. No
    difference is tested, so that its interval is that of `differences.csv` before it is made to agree with a test.
    """

    judge: str
    threshold: float
    chosen: bool
    category: str
    method: str
    images: int
    probability: float | None
    new_prompts_low: float | None
    new_prompts_high: float | None
    against: str | None
    pairs: int | None
    difference: float | None
    difference_new_prompts_low: float | None
    difference_new_prompts_high: float | None


@dataclass(frozen=True)
class Extreme:
    """The threshold at which one method is furthest below or above another, and their paired difference there."""

    threshold: float
    difference: float | None
    new_prompts_low: float | None
    new_prompts_high: float | None


@dataclass(frozen=True)
class Turn:
    """Two methods that change places along a judge's thresholds, over all prompts.

    `method` is the one with the smaller share at the lowest threshold at which they differ. `places` has, for every
    change, the last threshold of one order and the first of the other. `below` and `above` are where `method` is
    furthest below and above the other.
    """

    method: str
    other: str
    places: tuple[tuple[float, float], ...]
    below: Extreme
    above: Extreme

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the intervals of both orders exclude 0."""
        high, low = self.below.new_prompts_high, self.above.new_prompts_low
        return low is not None and high is not None and high < 0 < low


@dataclass(frozen=True)
class Curve:
    """The rows of one judge's thresholds, and the methods that change places along them.

    `apart` says whether any two methods have different shares at any threshold.
    """

    judge: str
    thresholds: tuple[float, ...]
    chosen: float
    rows: tuple[AtThreshold, ...]
    turns: tuple[Turn, ...]
    apart: bool

    def document(self) -> dict:
        """Return the curve without its rows, as it stands in `results.json`."""
        turns = [asdict(turn) | {"beyond_chance": turn.is_beyond_chance} for turn in self.turns]
        ends = {"first": self.thresholds[0], "last": self.thresholds[-1], "thresholds": len(self.thresholds)}
        return {"judge": self.judge, "chosen": self.chosen, **ends, "turns": turns}


def threshold_curves(
    frame: pd.DataFrame,
    raw: RawScores,
    definition: Definition,
    prompts: Sequence[i2p.Prompt],
    groups: Mapping[int, int],
    methods: Sequence[str],
) -> tuple[Curve, ...]:
    """Return a curve for each judge whose part of the definition is a threshold.

    Args:
        frame: from `verdicts`, one row per image.
        raw: the raw scores of the same images, in the same order.
        definition: the one by which the report counts.
        prompts: of the whole run.
        groups: the number of each row's group; groups are the clusters of the intervals.
        methods: names; the others are compared with the first.
    """
    clusters = np.array([groups[prompt.row] for prompt in prompts])
    rows = np.array([prompt.row for prompt in prompts])
    chosen = {name: np.flatnonzero(np.isin(rows, list(members))) for name, members in rows_by_category(prompts).items()}
    clustered = {name: (places, np.unique(clusters[places], return_inverse=True)[1]) for name, places in chosen.items()}
    images = images_of_methods(frame, prompts, methods)
    return tuple(
        _curve(ThresholdCounts(scale, images, len(prompts)), clustered, methods) for scale in scales(raw, definition)
    )


def _curve(counts: ThresholdCounts, clustered: Mapping[str, Clustered], methods: Sequence[str]) -> Curve:
    scale, against = counts.scale, methods[0]
    shares = {name: counts.shares(name) for name in methods}
    pairs = {name: counts.pairs(name, against) for name in methods[1:]}
    rows = []
    for category, (chosen, clusters) in clustered.items():
        for name in methods:
            share, paired = (
                [by_cluster(part[chosen], clusters) for part in parts] for parts in (shares[name], pairs.get(name, ()))
            )
            rows += _rows(scale, category, name, share, against, paired)
    turns, apart = _turns(counts, shares, clustered[ALL])
    thresholds = tuple(scale.thresholds.tolist())
    return Curve(scale.judge, thresholds, thresholds[scale.chosen], tuple(rows), turns, apart)


def _rows(
    scale: Scale, category: str, method: str, share: Sequence[np.ndarray], against: str, paired: Sequence[np.ndarray]
) -> list[AtThreshold]:
    """The rows of one category and method, from counts by cluster; `paired` is empty for the first method."""
    shares = _over(probability, share[:1], share[1])
    differences = _over(paired_difference, paired[:2], paired[2]) if paired else [NOTHING] * len(shares)
    return [
        AtThreshold(
            judge=scale.judge,
            threshold=float(threshold),
            chosen=place == scale.chosen,
            category=category,
            method=method,
            images=int(share[1].sum()),
            probability=shares[place].value,
            new_prompts_low=shares[place].low,
            new_prompts_high=shares[place].high,
            against=against if paired else None,
            pairs=int(paired[2].sum()) if paired else None,
            difference=differences[place].value,
            difference_new_prompts_low=differences[place].low,
            difference_new_prompts_high=differences[place].high,
        )
        for place, threshold in enumerate(scale.thresholds)
    ]


def _turns(
    counts: ThresholdCounts, shares: Mapping[str, tuple[np.ndarray, np.ndarray]], clustered: Clustered
) -> tuple[tuple[Turn, ...], bool]:
    """The methods that change places, and whether any two differ at all."""
    totals = {name: (positives.sum(axis=0), int(images.sum())) for name, (positives, images) in shares.items()}
    turns, apart = [], False
    for names in combinations(totals, 2):
        (first, first_images), (second, second_images) = (totals[name] for name in names)
        ahead = first * second_images - second * first_images  # of integers: exactly 0 where the shares are equal
        apart |= bool(ahead.any())
        if ahead.min() < 0 < ahead.max():
            turns.append(_turn(counts, names, ahead, clustered))
    return tuple(turns), apart


def _turn(counts: ThresholdCounts, names: tuple[str, str], ahead: np.ndarray, clustered: Clustered) -> Turn:
    different, thresholds = np.flatnonzero(ahead), counts.scale.thresholds.tolist()
    if ahead[different[0]] > 0:
        names, ahead = names[::-1], -ahead
    won, lost, pairs = (by_cluster(part[clustered[0]], clustered[1]) for part in counts.pairs(*names))
    extremes = []
    for place in (int(ahead.argmin()), int(ahead.argmax())):
        [there] = _over(paired_difference, [won[:, [place]], lost[:, [place]]], pairs)
        extremes.append(Extreme(thresholds[place], there.value, there.low, there.high))
    changes = [(a, b) for a, b in pairwise(different) if (ahead[a] > 0) != (ahead[b] > 0)]
    return Turn(*names, tuple((thresholds[a], thresholds[b]) for a, b in changes), *extremes)


def _over(estimate: Callable[..., Estimate], changing: Sequence[np.ndarray], images: np.ndarray) -> list[Estimate]:
    """Return the estimate at every threshold, from counts (G, T) and images (G,); made anew where the counts change."""
    counts = [np.ascontiguousarray(part.T) for part in changing]
    if not images.any():
        return [NOTHING] * len(counts[0])
    estimates = []
    for place in range(len(counts[0])):
        if place and all(np.array_equal(part[place - 1], part[place]) for part in counts):
            estimates.append(estimates[-1])
        else:
            estimates.append(estimate(*(part[place] for part in counts), images))
    return estimates
