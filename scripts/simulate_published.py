"""How often a published number is found to differ from a run that repeats it, or that repeats it with a shift.

    python scripts/simulate_published.py [--runs 2000] [--seed 1] [--csv FILE] [--out docs/benchmarks/published.md]

The chances of I2P's prompts are made from the dataset's own percentages. Two runs draw their images from them, ours
with a shift in some worlds; the other one publishes its share, in full or rounded up to whole percent, and ours says
whether that agrees. Takes two minutes.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import MOST_SEED, add_out, at_least, end_with, read_benchmark, show_and_write
from tabulate import tabulate

import i2p
from eval.measure.estimates import probability
from eval.measure.repetition import same_prompts
from eval.measure.replication import agrees, repetition
from i2p.groups import group_by_text

PUBLISHED_IMAGES = 10
SHIFTS = (0.0, 0.01, 0.02, -0.01, -0.02)
CARD = i2p.published.SOURCES["model-card"].rounding
EXACT = i2p.published.SOURCES["i2p-readme"].rounding
WAYS = {
    "same prompts": "the same prompts, new noise",
    "card": "the same, against whole percent",
    "new prompts": "new prompts like these",
}


@dataclass(frozen=True)
class World:
    """The prompts of a category.

    Attributes:
        name: in the table.
        chances: (P,), of an inappropriate image of each prompt.
        groups: (P,), the number of each prompt's group of near-duplicates, dense from 0.
    """

    name: str
    chances: np.ndarray
    groups: np.ndarray

    def shifted(self, shift: float) -> np.ndarray:
        """Return chances whose mean is higher by `shift`: each moves the same part of its way to 1, or to 0."""
        mean = self.chances.mean()
        part = shift / (1 - mean) if shift >= 0 else -shift / mean
        return self.chances + part * ((shift >= 0) - self.chances)


def smoothed(positives: np.ndarray, rng: np.random.Generator, images: int = PUBLISHED_IMAGES) -> np.ndarray:
    """Return chances that could have given these counts: drawn for each prompt, given its count.

    A count of ten images is a chance and its noise: taken as the chance itself, prompts with 0 or 10 of 10 would never
    vary again. So chances come from the beta distribution whose counts have the mean and the variance of these.
    """
    share = positives / images
    mean, variance = share.mean(), share.var(ddof=1)
    alike = (variance / (mean * (1 - mean)) - 1 / images) / (1 - 1 / images)
    total = 1 / alike - 1
    return rng.beta(total * mean + positives, total * (1 - mean) + images - positives)


def worlds(prompts: list[i2p.Prompt], rng: np.random.Generator) -> list[World]:
    """Return the worlds of the table."""
    found = []
    for category in ("sexual", "hate", "shocking", "all"):
        rows = [p for p in prompts if category in (*p.categories, "all")]
        if not rows:
            continue
        groups = np.unique([p.group for p in rows], return_inverse=True)[1]
        positives = np.array([outcome.positives for outcome in i2p.published.replay(rows)])
        found.append(World(category, smoothed(positives, rng), groups))
        if category == "sexual":
            found.append(World("sexual, percentages as chances", positives / PUBLISHED_IMAGES, groups))
    return found


def found_apart(world: World, shift: float, images: int, runs: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the share of repetitions in which the published number does not agree with ours, by way of telling."""
    chances, count = world.shifted(shift), len(world.chances)
    apart = dict.fromkeys(WAYS, 0)
    for _ in range(runs):
        published = rng.binomial(PUBLISHED_IMAGES, world.chances).sum() / (PUBLISHED_IMAGES * count)
        positives, made = rng.binomial(images, chances), np.full(count, images)
        card = math.ceil(100 * published - 1e-9) / 100
        if (ours := same_prompts(positives, made)) is not None:
            limits = repetition(ours, images, PUBLISHED_IMAGES)
            apart["same prompts"] += not agrees(limits, round(published, 6), EXACT)
            apart["card"] += not agrees(limits, card, CARD)
        sums = (np.bincount(world.groups, values) for values in (positives, made))
        usual = probability(*(values.astype(int) for values in sums))
        apart["new prompts"] += not usual.low <= published <= usual.high
    return {way: value / runs for way, value in apart.items()}


def main() -> None:
    """Simulate every world and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=at_least(2), default=2000, help="repetitions per line (default 2000)")
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=1, help="of the repetitions (default 1)")
    add_out(parser, "published.md")
    parser.add_argument("--csv", type=Path, help="the real i2p_benchmark.csv; without it the hub's")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    prompts = group_by_text(read_benchmark(arguments.csv))
    rows = []
    for world in worlds(prompts, rng):
        for images in (10, 2) if world.name == "sexual" else (10,):
            for shift in SHIFTS:
                apart = found_apart(world, shift, images, arguments.runs, rng)
                shown = {WAYS[way]: f"{100 * value:.1f}" for way, value in apart.items()}
                rows.append(
                    {"prompts": world.name, "our images": images, "shift, points": f"{100 * shift:+.0f}"} | shown
                )
            print(f"{world.name}, {images} images per prompt", file=sys.stderr)
    show_and_write(report(rows, arguments.runs, arguments.seed), arguments.out)


def report(rows: list[dict[str, object]], runs: int, seed: int) -> str:
    """Return the page with the table."""
    table = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    return f"""# Published numbers: what a repetition finds

Written by `python scripts/simulate_published.py --runs {runs} --seed {seed}`: {runs:,} repetitions per line, so that a
percentage has a standard error of at most {50 / math.sqrt(runs):.1f} points.

Two runs draw images from the chances of I2P's prompts. One has ten images per prompt and publishes its share. Ours has
as many as the second column says, and a true share that is higher or lower by *shift*. The table has the percentage of
repetitions in which ours finds the published number to differ: at shift 0 that is wrong, and should be 5; elsewhere it
is right, and should be 100.

- *The same prompts, new noise*: the rule of the report. The run's interval for the same prompts and new noise, each
  side times √(1 + our images / 10), because the published share has noise of its own.
- *The same, against whole percent*: as the model card has them, rounded up. What rounding may hide is no disagreement.
- *New prompts like these*: whether the published share lies in the interval for new prompts, clustered by groups of
  near-duplicates. Both runs have the same prompts, so this is not the question.

Chances are drawn for each prompt given its ten published images, from the beta distribution that the counts of its
category suggest. *Percentages as chances* takes the percentages themselves, so that prompts with 0 or 10 of 10 never
vary.

{table}
"""


if __name__ == "__main__":
    end_with(main)
