"""The regression estimate for all of I2P from a sample of it: its coverage, its width and its bias.

    python scripts/simulate_sample.py I2P.csv [--runs 2000] [--seed 0] [--out docs/benchmarks/sample.md]

The prompts, their published percentages and their near-duplicates are those of I2P's own file. A model is a probability
for each prompt, made from its percentage; a simulated run draws prompts and images of each. Takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import MOST_SEED, add_out, at_least, end_with, read_benchmark, show_and_write
from scipy.optimize import brentq
from scipy.special import ndtri
from simulated_coverage.tables import SHOULD, held, table

import i2p
from eval.measure.estimates import paired_difference, probability
from eval.measure.regression import Regressed, design_of, regression
from i2p.groups import near_duplicates
from i2p.sampling import LEVELS, level

HEADERS = (
    *("model", "category", "prompts × images", "used, %", "truth, %", "bias", "± alone", "± for all", "1.96 SD"),
    *("narrower, %", "coverage, %"),
)
COLUMNS = (("used", 0), ("truth", 1), ("bias", 2), ("alone", 2), ("half", 2), ("spread", 2), ("narrower", 0))
ALIKE_IN_GROUP = 0.5  # the correlation of what is new about a model within a group of near-duplicates


@dataclass(frozen=True)
class Bench:
    """I2P: published fractions and levels (N,), group (N,), and the prompts of each category."""

    published: np.ndarray
    levels: np.ndarray
    groups: np.ndarray
    members: dict[str, np.ndarray]


def read(path: Path) -> Bench:
    prompts = read_benchmark(path)
    published = np.array([prompt.published.inappropriate for prompt in prompts])
    members = {name: np.array([name in prompt.categories for prompt in prompts]) for name in i2p.CATEGORIES}
    _, groups = np.unique(near_duplicates([prompt.text for prompt in prompts]), return_inverse=True)
    everyone = np.ones(len(prompts), bool)
    return Bench(published, np.array([level(x) for x in published]), groups, {"all": everyone, **members})


def same_model(bench: Bench, rng: np.random.Generator) -> np.ndarray:
    """Probabilities of which the published fractions are ten images each: drawn from their posterior.

    The prior is the beta distribution whose mean and whose correlation of two images are I2P's.
    """
    x = bench.published
    mean = x.mean()
    between = (x.var() - mean * (1 - mean) / 10) / (1 - 1 / 10)
    size = mean * (1 - mean) / between - 1
    return rng.beta(mean * size + 10 * x, (1 - mean) * size + 10 * (1 - x))


def correlated(bench: Bench, rng: np.random.Generator, correlation: float) -> np.ndarray:
    """Another model, as often inappropriate, whose probabilities correlate so with SD 1.4's; alike within groups."""
    first = same_model(bench, rng)
    order = first.argsort().argsort()
    new = np.sqrt(ALIKE_IN_GROUP) * rng.standard_normal(bench.groups.max() + 1)[bench.groups]
    new += np.sqrt(1 - ALIKE_IN_GROUP) * rng.standard_normal(len(first))
    scores = correlation * ndtri((order + 0.5) / len(first)) + np.sqrt(1 - correlation**2) * new
    return np.sort(first)[scores.argsort().argsort()]


def in_proportion(p: np.ndarray, mean: float) -> np.ndarray:
    """A safer model that makes every prompt safer by one factor."""
    return p * mean / p.mean()


def bent(p: np.ndarray, mean: float) -> np.ndarray:
    """A safer model that leaves the most inappropriate prompts inappropriate: p to the power that gives the mean."""
    return p ** brentq(lambda power: np.mean(p**power) - mean, 1, 100)


@dataclass(frozen=True)
class World:
    """A model, or two to be compared, and how a run samples I2P."""

    name: str
    models: Callable[[Bench, np.random.Generator], tuple[np.ndarray, ...]]
    prompts: int = 470
    images: int = 10
    strata: bool = True
    category: str = "all"


def _sd14(bench, rng):
    return (same_model(bench, rng),)


def _other(correlation):
    return lambda bench, rng: (correlated(bench, rng, correlation),)


def _safer(make: Callable[[np.ndarray, float], np.ndarray], mean: float, against: bool = False):
    def models(bench, rng):
        p = same_model(bench, rng)
        return (make(p, mean), p)[: 1 + against]

    return models


WORLDS = (
    World("SD 1.4", _sd14),
    World("SD 1.4, no strata", _sd14, strata=False),
    World("SD 1.4", _sd14, images=2),
    World("SD 1.4", _sd14, images=1),
    World("SD 1.4", _sd14, prompts=60),
    World("SD 1.4", _sd14, prompts=2351),
    World("SD 1.4", _sd14, prompts=2351, images=1),
    World("another model, correlation 0.9", _other(0.9)),
    World("another model, correlation 0.8", _other(0.8)),
    World("another model, correlation 0.7", _other(0.7)),
    World("another model, no strata, 0.7", _other(0.7), strata=False),
    World("another model, no correlation", _other(0.0)),
    World("another model, correlation 0.8", _other(0.8), prompts=2351),
    World("SLD max, in proportion", _safer(in_proportion, 0.09)),
    World("SLD max, bent", _safer(bent, 0.09)),
    World("rare hits, bent", _safer(bent, 0.01)),
    World("SLD max − SD 1.4, in proportion", _safer(in_proportion, 0.09, against=True)),
    World("SLD max − SD 1.4, bent", _safer(bent, 0.09, against=True)),
    World("SLD weak − SD 1.4, in proportion", _safer(in_proportion, 0.29, against=True)),
    World("SLD max − SD 1.4, in proportion", _safer(in_proportion, 0.09, against=True), images=1),
    World("SD 1.4", _sd14, category="sexual"),
    World("another model, correlation 0.8", _other(0.8), category="sexual"),
    World("SLD max − SD 1.4, in proportion", _safer(in_proportion, 0.09, against=True), category="sexual"),
    World("SD 1.4", _sd14, category="hate"),
    World("SLD max, in proportion", _safer(in_proportion, 0.09), category="hate"),
    World("rare hits, bent", _safer(bent, 0.01), category="hate"),
)


def drawn(bench: Bench, world: World, rng: np.random.Generator) -> np.ndarray:
    """The places of a sample's prompts: as `i2p.sampling.draw` has them, with random ranks instead of hashes."""
    if not world.strata:
        return rng.permutation(len(bench.levels))[: world.prompts]
    turns = np.empty(len(bench.levels))
    for number in range(LEVELS):
        places = rng.permutation(np.flatnonzero(bench.levels == number))
        turns[places] = (2 * np.arange(len(places)) + 1) / len(places)
    return np.lexsort((bench.levels, turns))[: world.prompts]


def estimate(bench: Bench, world: World, models: tuple, rng: np.random.Generator) -> tuple[Regressed | None, float]:
    """A simulated run's estimate, and the width of the interval of its sample alone."""
    places = drawn(bench, world, rng)
    images = np.full(len(places), world.images)
    hits = [rng.random((len(places), world.images)) < p[places, None] for p in models]
    members = bench.members[world.category]
    chosen = members[places]
    if len(hits) == 1:
        won, lost = hits[0].sum(axis=1), np.zeros(len(places), int)
        alone = probability(won[chosen], images[chosen])
    else:
        won, lost = (hits[0] & ~hits[1]).sum(axis=1), (hits[1] & ~hits[0]).sum(axis=1)
        alone = paired_difference(won[chosen], lost[chosen], images[chosen])
    levels, counts = bench.levels[places], np.bincount(bench.levels, minlength=LEVELS)
    design = design_of(levels, counts) if world.strata else design_of(np.zeros_like(levels), [len(members)])
    mean = bench.published[members].mean()
    x, least = bench.published[places], float(1 - len(models))
    return regression(won, lost, images, x, design, chosen, mean, alone, least), alone.high - alone.low


def simulate(bench: Bench, world: World, runs: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    models = world.models(bench, rng)
    chosen = bench.members[world.category]
    truth = models[0][chosen].mean() - (models[1][chosen].mean() if len(models) > 1 else 0)
    made = [estimate(bench, world, models, rng) for _ in range(runs)]
    made = [(regressed, width) for regressed, width in made if regressed is not None]  # a category of too few prompts
    found = {"truth": truth, "used": len(made) / runs}
    if len(made) < 2:
        return found
    values = np.array([e.value for e, _ in made])
    widths, alone = np.array([e.high - e.low for e, _ in made]), np.array([width for _, width in made])
    return found | {
        "bias": values.mean() - truth,
        "spread": 1.96 * values.std(),
        "half": widths.mean() / 2,
        "alone": alone.mean() / 2,
        "narrower": 1 - widths.mean() / alone.mean(),
        "coverage": float(np.mean([e.low <= truth <= e.high for e, _ in made])),
    }


NOTES = """\
A run draws *prompts* of I2P's 4,703, in proportion over the levels of the published percentage unless it says *no
strata*, and so many images of each. The *truth* is the mean probability over all of I2P's prompts, or over those of the
category. *± alone* is half the mean 95 % interval of the sample alone, by prompt, as one of endlessly many; *± for all*
is that of the regression estimate, and *narrower* says by how much. *1.96 SD*, of the estimates over simulated runs, is
what it should be. *Coverage*: the percentage of runs in which the interval contains the truth, in bold outside
{low:g}–{high:g}; its own standard error is {error:.1f} over all runs. *Bias* is in points. *Used*: the percentage of
runs that have an estimate; the others have too few prompts of the category, and no other column knows of them.

The models: *SD 1.4* has probabilities of which the published percentages are ten images each. *Another model* is as
often inappropriate; its probabilities correlate with SD 1.4's, and what is new in them correlates by {alike:g} within
groups of near-duplicate prompts. *In proportion* makes all probabilities smaller by one factor; *bent* raises them to a
power, so that what is certain stays certain. Methods have no noise in common, which is the least favourable case.
"""


def report(rows: list[tuple[World, dict]], runs: int, seed: int) -> str:
    body = [
        [
            world.name,
            world.category,
            f"{world.prompts} × {world.images}",
            *(f"{100 * found[name]:.{digits}f}" if name in found else "–" for name, digits in COLUMNS),
            held(found["coverage"]) if "coverage" in found else "–",
        ]
        for world, found in rows
    ]
    error = 100 * np.sqrt(0.05 * 0.95 / runs)
    notes = NOTES.format(low=100 * SHOULD[0], high=100 * SHOULD[1], error=error, alike=ALIKE_IN_GROUP)
    made = f"Written by `python scripts/simulate_sample.py i2p_benchmark.csv --runs {runs} --seed {seed}`: "
    made += f"{runs:,} simulated runs per row, from I2P's own file."
    return "\n\n".join(["# A sample of I2P", made, notes.rstrip(), table(HEADERS, body)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="I2P's own file, i2p_benchmark.csv")
    parser.add_argument("--runs", type=at_least(2), default=2000, help="simulated runs per row (default 2000)")
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=0, help="of the simulated runs (default 0)")
    add_out(parser, "sample.md")
    options = parser.parse_args()
    bench, rows = read(options.path), []
    for world in WORLDS:
        print(world.name, file=sys.stderr, flush=True)
        rows.append((world, simulate(bench, world, options.runs, options.seed)))
    text = report(rows, options.runs, options.seed)
    show_and_write(text, options.out)


if __name__ == "__main__":
    end_with(main)
