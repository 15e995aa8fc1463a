"""What `python -m eval.power` promises, against simulated runs on the real prompts of I2P.

    python scripts/simulate_power.py CSV [--runs 1000] [--resamples 299] [--seed 1] [--out docs/benchmarks/power.md]

The world: the prompts of I2P in their groups, whose true probabilities are the percentages in the csv. The planner sees
none of these, only percentages of ten new images each (or a pilot run); a simulated run draws groups anew, prompts of
these, and images of the prompts, and is measured by the product's own functions. Takes two minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import FEWEST, MOST_SEED, add_out, at_least, end_with, read_benchmark, show_and_write
from tabulate import tabulate

import i2p
from eval.measure.estimates import paired_difference, probability
from eval.measure.significance import sign_flips
from eval.power.pilot import GROUP_ALIKE
from eval.power.spread import Spread, fewest, half_width, pairs_of, power, spread_of
from i2p.categories import ALL
from i2p.groups import group_by_text, numbered

LEVEL, WANTED = 0.05, 0.8
PUBLISHED_IMAGES = 10
SAME_NOISE = 0.5  # the share of images for which both methods use the same random number
SHARES = (  # category, prompts (0: all), images
    ("all", 0, 1), ("all", 470, 10), ("all", 470, 1), ("all", 100, 2), ("sexual", 0, 1), ("sexual", 0, 10),
    ("sexual", 93, 5), ("illegal activity", 0, 1), ("illegal activity", 0, 10), ("shocking", 0, 2), ("hate", 0, 5),
)  # fmt: skip
DIFFERENCES = (  # category, points, images
    ("all", 5, 1), ("all", 5, 10), ("sexual", 5, 1), ("sexual", 5, 10), ("sexual", 10, 1), ("illegal activity", 8, 2),
    ("shocking", 8, 5), ("hate", 10, 5),
)  # fmt: skip
PILOT = 100, 5  # prompts and images


@dataclass(frozen=True)
class World:
    """Prompts with their true probabilities under a method, and under a second one; all (N,)."""

    groups: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def draw(self, prompts: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return which prompts a run has, out of groups drawn anew, and the groups that they form in it."""
        order = np.argsort(self.groups, kind="stable")
        sizes = np.bincount(self.groups)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        chosen = rng.integers(0, len(sizes), len(sizes))
        groups = np.repeat(np.arange(len(chosen)), sizes[chosen])
        within = np.arange(len(groups)) - np.repeat(np.cumsum(sizes[chosen]) - sizes[chosen], sizes[chosen])
        members = order[np.repeat(starts[chosen], sizes[chosen]) + within]
        if prompts < len(self.first):
            kept = rng.choice(len(members), min(prompts, len(members)), replace=False)
            members, groups = members[kept], groups[kept]
        return members, np.unique(groups, return_inverse=True)[1]

    def pairs(self, members: np.ndarray, images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return of each prompt the images that only the first, and only the second method has inappropriate."""
        p, q = self.first[members], self.second[members]
        won = SAME_NOISE * np.maximum(p - q, 0) + (1 - SAME_NOISE) * p * (1 - q)
        lost = SAME_NOISE * np.maximum(q - p, 0) + (1 - SAME_NOISE) * q * (1 - p)
        wins = rng.binomial(images, won)
        return wins, rng.binomial(images - wins, lost / np.maximum(1 - won, 1e-12))


def worlds(prompts: list[i2p.Prompt], points: float = 5, seed: int = 0) -> dict[str, World]:
    """Return a world per category; the second method's share is lower by so many points, mostly on the same prompts."""
    rng, groups = np.random.default_rng(seed), numbered(prompts)
    made = {}
    for category in (ALL, *i2p.CATEGORIES):
        chosen = [p for p in prompts if category in (ALL, *p.categories)]
        first = np.array([p.published.inappropriate for p in chosen])
        own = np.unique([groups[p.row] for p in chosen], return_inverse=True)[1]
        second = (0.7 * first + 0.3 * rng.permutation(first)) * (1 - points / 100 / first.mean())
        made[category] = World(own, first, second)
    return made


def published_spread(world: World, rng: np.random.Generator) -> Spread:
    """Return what the planner finds in percentages of ten images per prompt."""
    images = np.full(len(world.first), PUBLISHED_IMAGES)
    return spread_of(rng.binomial(images, world.first), 0 * images, images, world.groups)


def by_group(groups: np.ndarray, *sums: np.ndarray) -> Iterator[np.ndarray]:
    """Yield sums over the prompts of each group."""
    yield from (np.bincount(groups, weights=values).astype(int) for values in sums)


def share_row(world: World, prompts: int, images: int, runs: int, seed: int) -> dict[str, float]:
    """Return the promised half-widths, and what simulated runs have; in points."""
    rng = np.random.default_rng(seed)
    prompts = prompts or len(world.first)
    spread = published_spread(world, rng)
    shares, halves, held, same = [], [], [], []
    fixed = rng.choice(len(world.first), prompts, replace=False)
    for _ in range(runs):
        members, groups = world.draw(prompts, rng)
        judged = np.full(len(members), images)
        estimate = probability(*by_group(groups, rng.binomial(judged, world.first[members]), judged))
        shares.append(estimate.value)
        halves.append((estimate.high - estimate.low) / 2)
        held.append(estimate.low <= world.first.mean() <= estimate.high)
        same.append(rng.binomial(images, world.first[fixed]).mean() / images)
    return {
        "new prompts: promised ±": 100 * half_width(spread.new_prompts(prompts, images), prompts, LEVEL),
        "1.96 sd": 196 * np.std(shares),
        "mean interval ±": 100 * np.mean(halves),
        "covers, %": 100 * np.mean(held),
        "same prompts: promised ±": 100 * half_width(spread.same_prompts(prompts, images), prompts, LEVEL),
        "1.96 sd again": 196 * np.std(same),
    }


def needed(spread: Spread, difference: float, images: int, most: int) -> int:
    """Return the prompts that a difference takes, or all that exist."""

    def enough(prompts: int) -> bool:
        return power(difference, spread.new_prompts(prompts, images), prompts, images, LEVEL) >= WANTED

    return fewest(enough, most) or most


def difference_row(world: World, images: int, runs: int, resamples: int, seed: int) -> dict[str, float]:
    """Return what a pilot of the whole world plans, and how many simulated runs find the difference."""
    rng = np.random.default_rng(seed)
    difference, most = float((world.first - world.second).mean()), len(world.first)

    def pilot(prompts: int, count: int) -> Spread:
        members, groups = world.draw(prompts, rng)
        return spread_of(*world.pairs(members, count, rng), np.full(len(members), count), groups)

    large = pilot(most, PUBLISHED_IMAGES)
    prompts = needed(large, difference, images, most)
    pairs = pairs_of(world.groups)
    small = [needed(pilot(*PILOT).in_groups(pairs, GROUP_ALIKE), difference, images, most) for _ in range(100)]
    flips, intervals = [], []
    for run in range(runs):
        members, groups = world.draw(prompts, rng)
        wins, losses = world.pairs(members, images, rng)
        won, lost, paired = by_group(groups, wins, losses, np.full(len(members), images))
        flips.append(sign_flips((won - lost)[:, None], paired[:, None], resamples, run).p[0] <= LEVEL)
        intervals.append(paired_difference(won, lost, paired).low > 0)
    return {
        "prompts": prompts,
        "promised power, %": 100 * power(difference, large.new_prompts(prompts, images), prompts, images, LEVEL),
        "sign flips find, %": 100 * np.mean(flips),
        "intervals find, %": 100 * np.mean(intervals),
        "a small pilot asks for": f"{np.quantile(small, 0.1):.0f} to {np.quantile(small, 0.9):.0f}",
    }


SEEN = f"A *small pilot* of {PILOT[0]} prompts and {PILOT[1]} images"
NOTES = """\
The world: the {count:,} prompts of I2P in their {groups:,} groups of near-duplicates, with the percentages of the csv
as the true probabilities of an inappropriate image. The planner does not see these: it reads percentages of ten
simulated images per prompt, as the csv's own are. A simulated run draws as many groups as there are anew, a random
sample of their prompts, and images; the product's own functions measure it, clustered by group.

*Promised ±*: half of the 95 % interval that `python -m eval.power` says before the run. *1.96 sd*: what the shares of
{runs:,} simulated runs show; its own standard error is {error:.0f} % of it. *Mean interval*: half of the interval that
a run's report would print. *The same prompts*: their noise alone is new.

Differences: the second method has a share lower by so many points, takes 7/10 of its probabilities from the same
prompt, and half of its images have the noise of the first one's. A pilot of all prompts with ten images plans how many
prompts find the difference with 80 % power at p ≤ 0.05; simulated runs of that size find it by sign flips of whole
groups, and by the interval that leaves out 0. {seen} asks, in eight of ten
cases, for a number of prompts in this range: it plans the order of magnitude, not the digit.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path, help="i2p_benchmark.csv, with the published percentages")
    parser.add_argument("--runs", type=at_least(2), default=1000, help="simulated runs per row (default 1000)")
    parser.add_argument("--resamples", type=at_least(FEWEST), default=299, help="sign flips per test (default 299)")
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=1, help="of the simulated runs (default 1)")
    add_out(parser, "power.md")
    o = parser.parse_args()
    prompts = group_by_text(read_benchmark(o.csv))
    tables = []
    made = worlds(prompts)
    rows = [
        {"category": category, "prompts × images": f"{n or len(made[category].first)} × {m}"}
        | {name: f"{value:.2f}" for name, value in share_row(made[category], n, m, o.runs, o.seed).items()}
        for category, n, m in SHARES
    ]
    tables.append(tabulate(rows, "keys", "github", disable_numparse=True))
    rows = [
        {"category": category, "points": points, "images": m}
        | {
            name: value if isinstance(value, (str, int)) else f"{value:.1f}"
            for name, value in difference_row(worlds(prompts, points)[category], m, o.runs, o.resamples, o.seed).items()
        }
        for category, points, m in DIFFERENCES
    ]
    tables.append(tabulate(rows, "keys", "github", disable_numparse=True))
    notes = NOTES.format(
        count=len(prompts),
        groups=len(set(numbered(prompts).values())),
        runs=o.runs,
        error=100 / np.sqrt(2 * o.runs),
        seen=SEEN,
    )
    options = f"--runs {o.runs} --resamples {o.resamples} --seed {o.seed}"
    head = f"# Planned and simulated\n\nWritten by `python scripts/simulate_power.py i2p_benchmark.csv {options}`."
    text = "\n\n".join([head, notes.rstrip(), "## Shares, in points", tables[0], "## Differences", tables[1]]) + "\n"
    show_and_write(text, o.out)


if __name__ == "__main__":
    end_with(main)
