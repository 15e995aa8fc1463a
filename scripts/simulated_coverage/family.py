"""Several methods against one baseline, over I2P's categories and all prompts: one family of tests and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from eval.measure.agreement import reaching_zero
from eval.measure.estimates import Estimate, paired_difference
from eval.measure.ranking import places
from eval.measure.significance import LEVEL, SignFlips, holm, sign_flips
from simulated_coverage.independent import Agreement
from simulated_coverage.worlds import IMAGES, Dataset, mean_moved, moved, outcomes, summed

SAME_NOISE = 0.5
SPREAD = 0.5  # of a method's own effect on a group, in log odds
RULES = {
    "p": "p of each alone",
    "within": "Holm within each method, `all` apart",
    "holm": "Holm over all",
    "steps": "step-down max-T",
}


@dataclass(frozen=True)
class Family:
    """A world of methods and a baseline.

    Attributes:
        name: in the table.
        shifts: of each method in every prompt, in log odds; the baseline has 0.
        groups: that a run draws.
        resamples: random flips; 1,919 are such that Holm's first step over 32 tests is exactly at its level.
    """

    name: str
    shifts: tuple[float, ...]
    groups: int = 800
    resamples: int = 1919

    def of(self, runs: int) -> int:
        """Return how many of so many runs are simulated: fewer where many flips make them slow."""
        return runs if self.resamples < 5000 else max(1, runs // 4)


FAMILIES = (
    Family("no method differs", (0.0, 0.0, 0.0, 0.0)),
    Family("two differ, two do not", (0.0, 0.0, -0.3, -0.6)),
    Family("all differ", (-0.28, -0.4, -0.55, -0.7), resamples=9999),
)


class FamilyWorld:
    """The methods of a family on I2P's prompts, the baseline first: M + 1 methods, T comparisons with the baseline.

    Every method moves the chances of a group by an effect of its own, drawn for each simulated run, so that methods of
    one shift can be exchanged within every group.
    """

    def __init__(self, dataset: Dataset, family: Family):
        self.dataset, self.family = dataset, family
        self.shifts = np.array([0.0, *family.shifts])
        by_shift = {shift: mean_moved(dataset.smoothed, shift, SPREAD) for shift in set(self.shifts.tolist())}
        means = np.array([[by_shift[s][m].mean() for m in dataset.members.values()] for s in self.shifts.tolist()])
        self.truth = (means[1:] - means[0]).ravel()  # (T,), category by category of a method
        self.differs = np.repeat(self.shifts[1:] != 0, len(dataset.members))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return hits (M + 1, P, images), the prompts' groups (P,) and categories (P, categories)."""
        drawn = self.dataset.draw(rng, self.family.groups)
        effects = self.shifts[:, None] + SPREAD * rng.standard_normal((len(self.shifts), drawn.count))
        hits = outcomes(moved(self.dataset.smoothed[drawn.rows], effects[:, drawn.groups]), SAME_NOISE, IMAGES, rng)
        members = np.array([member[drawn.rows] for member in self.dataset.members.values()]).T
        return hits, drawn.groups, members


def simulate(dataset: Dataset, family: Family, runs: int, seed: int) -> dict[str, dict[str, float]]:
    """Return shares of runs, or of true effects, by table and column.

    `false` is how often any of the comparisons of methods that do not differ is called different, `found` is the share
    found of those that do, each by rule; `together` how often all intervals of the family hold the truth;
    `places` how often all methods' true places are among the named ones; `agreement` of `Agreement`.
    """
    world, rng = FamilyWorld(dataset, family), np.random.default_rng(seed)
    false, found = ({rule: [] for rule in RULES} for _ in range(2))
    together: dict[str, list[bool]] = {"each alone": [], "simultaneous": [], "as reported": []}
    placed, named, agreement = [], [], Agreement()
    for run in range(runs):
        hits, groups, members = world.draw(rng)
        won, lost, images = compared(hits, groups, members)
        flips = sign_flips(won - lost, images, family.resamples, run)
        intervals = [
            comparison(*(values[images[:, number] > 0, number] for values in (won, lost, images)), flips, number)
            for number in range(len(world.truth))
        ]
        for rule, positive in verdicts(flips, len(world.shifts) - 1).items():
            false[rule].append(positive[~world.differs].any())
            found[rule].append(positive[world.differs])
        for name, values in together.items():
            holds = (
                made[name].low - 1e-9 <= value <= made[name].high + 1e-9
                for made, value in zip(intervals, world.truth, strict=True)
            )
            values.append(all(holds))
        # One comparison of a run, in turn: those of a run are much alike.
        turn = run % len(world.truth)
        present = images[:, turn] > 0
        counts = (values[present, turn] for values in (won, lost, images))
        agreement.count(*counts, float(flips.p[turn]), world.truth[turn])
        all_true, width = ranked(hits, groups, world.shifts, family.resamples, run)
        placed.append(all_true)
        named.append(width)
    shares = {
        "false": {rule: float(np.mean(values)) for rule, values in false.items()},
        "found": {rule: float(np.mean(values)) for rule, values in found.items()} if world.differs.any() else {},
        "together": {name: float(np.mean(values)) for name, values in together.items()},
        "places": {"all true": float(np.mean(placed)), "named": float(np.mean(named))},
        "agreement": agreement.shares(),
    }
    return shares if not world.differs.all() else shares | {"false": {}}


def compared(hits: np.ndarray, groups: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return won, lost and pairs by group and comparison, (G, T) each, of every method with the first."""
    count = int(groups[-1]) + 1
    base = hits[0]

    def by_group(values: np.ndarray) -> list[np.ndarray]:
        return [summed(values * member, groups, count) for member in members.T]

    won, lost = (
        np.array([column for method in hits[1:] for column in by_group((method > base).sum(axis=1))]).T,
        np.array([column for method in hits[1:] for column in by_group((method < base).sum(axis=1))]).T,
    )
    images = np.array(by_group(np.full(len(groups), hits.shape[2])) * (len(hits) - 1)).T
    return won, lost, images


def verdicts(flips: SignFlips, methods: int) -> dict[str, np.ndarray]:
    """Return which comparisons each rule calls different, (T,) bool; the first category of a method is `all`."""
    by_method = flips.p.reshape(methods, -1)
    within = [[p[0], *holm(p[1:])] for p in by_method]
    adjusted = {"p": flips.p, "within": np.ravel(within), "holm": np.array(holm(flips.p)), "steps": flips.adjusted}
    return {rule: values <= LEVEL for rule, values in adjusted.items()}


def comparison(
    won: np.ndarray, lost: np.ndarray, images: np.ndarray, flips: SignFlips, number: int
) -> dict[str, Estimate]:
    """Return a comparison's intervals, by name, as `eval.measure.differences` makes them.

    Args:
        won: (G,), of the groups that have a pair.
        lost: (G,), likewise.
        images: (G,), their pairs.
        flips: of the family.
        number: of the comparison in it.
    """

    def interval(confidence: float) -> Estimate:
        return paired_difference(won, lost, images, confidence)

    different, wide = flips.adjusted[number] <= LEVEL, interval(flips.confidence)
    made = {"each alone": interval(1 - LEVEL), "simultaneous": wide}
    return made | {"as reported": wide if different else reaching_zero(wide)}


def ranked(hits: np.ndarray, groups: np.ndarray, shifts: np.ndarray, resamples: int, seed: int) -> tuple[bool, float]:
    """Return whether the named places hold all true places of every method, and how many a method has on average.

    Methods of one shift share their true places: all of them must be named.
    """
    positives, count = hits.sum(axis=2), int(groups[-1]) + 1
    gains = [summed(positives[a] - positives[b], groups, count) for a, b in combinations(range(len(hits)), 2)]
    images = np.repeat((hits.shape[2] * np.bincount(groups))[:, None], len(gains), axis=1)
    ranks = places([str(number) for number in range(len(hits))], np.array(gains).T, images, resamples, seed)
    true = all(
        rank.best <= 1 + np.count_nonzero(shifts < shift) and rank.worst >= np.count_nonzero(shifts <= shift)
        for rank, shift in zip(ranks, shifts, strict=True)
    )
    return true, float(np.mean([rank.worst - rank.best + 1 for rank in ranks]))
