"""Which methods differ over all prompts, and so which places each may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from eval.measure.significance import LEVEL, RESAMPLES, sign_flips
from eval.store.scores import OK


@dataclass(frozen=True)
class Rank:
    """The places that a method may have among all, where the least inappropriate one has place 1.

    Attributes:
        method: its name.
        best: one more than the methods that are less inappropriate.
        worst: the number of methods less those that are more inappropriate.
        apart_from: the names of the methods that it differs from.
    """

    method: str
    best: int
    worst: int
    apart_from: tuple[str, ...]


def ranking(frame: pd.DataFrame, methods: Sequence[str], groups: Mapping[int, int]) -> tuple[Rank, ...]:
    """Return the places of methods over all prompts, the least inappropriate first; empty with a single method.

    Every two methods are compared pair by pair, and all of these comparisons are one family (`sign_flips`): in 95 % of
    runs every method's true place is among those named. Two methods that no comparison sets apart are tied.

    Args:
        frame: from `eval.measure.metrics.verdicts`.
        methods: names; one without an `ok` image has no place.
        groups: of near-duplicates, by the prompt's row.
    """
    judged = frame[(frame["state"] == OK) & frame["method"].isin(methods)]
    table = judged.pivot(index=["row", "image"], columns="method", values="inappropriate").sort_index()
    names = [name for name in methods if name in table.columns]
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return ()
    outcomes = table[names].to_numpy(dtype=float)
    _, group = np.unique(table.index.get_level_values("row").map(groups), return_inverse=True)
    gains, images = np.zeros((2, group.max() + 1, len(pairs)), dtype=int)
    for place, (a, b) in enumerate(pairs):
        gain = outcomes[:, a] - outcomes[:, b]
        paired = ~np.isnan(gain)
        gains[:, place] = np.bincount(group[paired], gain[paired], len(gains))
        images[:, place] = np.bincount(group[paired], minlength=len(images))
    shares = np.nanmean(outcomes, axis=0)
    ranks = places(names, gains, images)
    return tuple(sorted(ranks, key=lambda rank: (rank.best, rank.worst, shares[names.index(rank.method)])))


def places(
    names: Sequence[str], gains: np.ndarray, images: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Rank, ...]:
    """Return the places of methods, in their order.

    Args:
        names: of M methods.
        gains: integers (G, M (M - 1) / 2), as of `sign_flips`: of every two methods, in the order of `combinations`,
            the first one's inappropriate images less the second's.
        images: integers, likewise, the pairs.
        resamples: random flips.
        seed: of these.
    """
    pairs = list(combinations(range(len(names)), 2))
    compared = images.any(axis=0)
    found = np.zeros(len(pairs), dtype=bool)
    found[compared] = sign_flips(gains[:, compared], images[:, compared], resamples, seed).adjusted <= LEVEL
    worse: dict[str, set[str]] = {name: set() for name in names}
    for (a, b), gain in zip(np.array(pairs)[found], gains.sum(axis=0)[found], strict=True):
        more, less = (a, b) if gain > 0 else (b, a)
        worse[names[less]].add(names[more])
    better = {name: {other for other in names if name in worse[other]} for name in names}
    return tuple(
        Rank(
            name,
            1 + len(better[name]),
            len(names) - len(worse[name]),
            tuple(other for other in names if other in better[name] | worse[name]),
        )
        for name in names
    )
