"""The coverage of this project's 95 % intervals, and how often its tests find a difference that is not there.

    python scripts/simulate_coverage.py [--runs 2000] [--resamples 199] [--seed 1] [--out docs/benchmarks/coverage.md]

Every scenario is a world in which the truth is known: a large population of prompts, each with a probability of an
inappropriate image under either method, from beta distributions that are correlated between the methods. A simulated
run draws prompts from it, and images of each prompt, on noise that the methods partly share. Takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import special
from tabulate import tabulate

from eval.measure import effects
from eval.measure.estimates import paired_difference, probability
from eval.measure.expected_maximum import (
    DRAWS,
    paired_expected_max_difference,
    unpaired_expected_max_difference,
)
from eval.measure.significance import mcnemar_p, sign_flips, unpaired_p

POPULATION = 200_000
LEVEL = 0.05
SHOULD = (0.93, 0.97)


@dataclass(frozen=True)
class Scenario:
    """A world with known probabilities.

    Attributes:
        prompts: of a run.
        images: per prompt.
        first, second: the methods' probabilities.
        alike: the correlation of two images of a prompt.
        same_prompts: in [0, 1], how much the methods agree on which prompts are likely to give inappropriate images.
        same_noise: in [0, 1], the share of images for which both methods use the same random number.
    """

    name: str
    prompts: int
    images: int
    first: float
    second: float
    alike: float = 0.35  # that of I2P
    same_prompts: float = 0.7
    same_noise: float = 0.5


SCENARIOS = (
    Scenario("the demo: one image", 63, 1, 0.5, 0.8),
    Scenario("one image, rare hits", 63, 1, 0.03, 0.15),
    Scenario("a hundred prompts", 100, 10, 0.2, 0.4),
    Scenario("a hundred, rare hits", 100, 10, 0.02, 0.05),
    Scenario("a hundred, very rare hits", 100, 10, 0.003, 0.02),
    Scenario("a hundred, strong clustering", 100, 10, 0.2, 0.4, alike=0.7),
    Scenario("a hundred, methods almost the same", 100, 10, 0.27, 0.3, same_prompts=0.98, same_noise=0.95),
    Scenario("hate on I2P, SLD max", 231, 10, 0.09, 0.4),
    Scenario("sexual on I2P, SLD medium", 931, 10, 0.14, 0.35),
    Scenario("sexual on I2P, rare hits", 931, 10, 0.01, 0.02),
    Scenario("sexual on I2P, strong clustering", 931, 10, 0.14, 0.35, alike=0.7),
    Scenario("one image, hardly different", 63, 1, 0.475, 0.5, same_prompts=1, same_noise=1),
    Scenario("hardly different", 200, 10, 0.196, 0.2, same_prompts=1, same_noise=1),
    # Added when the intervals were final, and never looked at before.
    Scenario("unseen: forty prompts", 40, 4, 0.3, 0.55),
    Scenario("unseen: a strong effect", 150, 10, 0.05, 0.6, alike=0.5),
    Scenario("unseen: little clustering", 300, 5, 0.12, 0.27, alike=0.2),
    Scenario("unseen: from half to nearly none", 600, 3, 0.006, 0.45),
    Scenario("unseen: I2P, hardly different", 931, 10, 0.347, 0.35, same_prompts=1, same_noise=1),
)
INTERVALS = {
    "probability": "probability",
    "difference": "difference",
    "reduction": "relative reduction",
    "maximum": "difference of expected maxima",
    "unpaired difference": "difference, unpaired",
    "unpaired reduction": "reduction, unpaired",
    "unpaired maximum": "expected maxima, unpaired",
}
TESTS = {"flip": "sign flips", "mcnemar": "McNemar, exact", "unpaired": "unpaired permutations"}


class World:
    """The population of a scenario: the two probabilities of each prompt, (2, POPULATION)."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator):
        self.scenario = scenario
        spread = (1 - scenario.alike) / scenario.alike
        tied = rng.normal(size=(2, POPULATION))
        tied[1] = scenario.same_prompts * tied[0] + np.sqrt(1 - scenario.same_prompts**2) * tied[1]
        shares = zip((scenario.first, scenario.second), special.ndtr(tied), strict=True)
        self.shares = np.array([special.betaincinv(p * spread, (1 - p) * spread, u) for p, u in shares])

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return whether images are inappropriate, (2, prompts, images)."""
        s = self.scenario
        chosen = self.shares[:, rng.integers(0, POPULATION, s.prompts)]
        noise = rng.random((2, s.prompts, s.images))
        same = rng.random((s.prompts, s.images)) < s.same_noise
        noise[1, same] = noise[0, same]
        return noise < chosen[:, :, None]

    def truth(self) -> dict[str, float]:
        """Return the true values, exact for this population."""
        p, q = self.shares.mean(axis=1)
        expected = [self._expected_max(share) for share in self.shares]
        differences = {"difference": p - q, "reduction": 1 - p / q, "maximum": expected[0] - expected[1]}
        return differences | {f"unpaired {name}": value for name, value in differences.items()} | {"probability": p}

    def _expected_max(self, share: np.ndarray) -> float:
        """Return the expected maximum over `DRAWS` prompts of the fraction among each prompt's images."""
        k, n = np.arange(self.scenario.images + 1), self.scenario.images
        with np.errstate(under="ignore"):
            chance = [(special.comb(n, i) * share**i * (1 - share) ** (n - i)).mean() for i in k]
        reached = np.cumsum(chance) ** DRAWS
        return float(np.diff(reached, prepend=0.0) @ k / n)


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


NOTES = """\
*Coverage*: the percentage of simulated runs in which the 95 % interval contains the truth, in bold outside
{low:.0f}–{high:.0f}. *Level*: the percentage in which a test finds a difference at 5 % although there is none: the
second method is compared with another of the same probability, whose prompts answer alike but not equally. Values above
{most:.1f} are in bold, which chance gives to one number in forty. The simulation's own standard error is {error:.1f}
points in either table. Where few pairs differ an exact test stays below its level, since no set of outcomes has a
probability of exactly 5 %.

The worlds: per-prompt probabilities from beta distributions (two images of a prompt correlate by *alike*), tied between
the methods; every interval and test is the product's own function. *Unpaired* compares the first method with the second
on other prompts. A relative reduction is left out where the second method had no hit at all.

The intervals were chosen while looking at the first {seen} worlds under seed 0. The simulated runs of seed {seed} are
different; the worlds called unseen were added when the intervals were final.
"""


def report(rows: list[tuple[Scenario, dict, dict]], options: argparse.Namespace) -> str:
    runs, resamples, seed = options.runs, options.resamples, options.seed
    level_max = LEVEL + 1.96 * np.sqrt(LEVEL * (1 - LEVEL) / runs)
    setting = ["prompts × images", "shares, %", "alike"]

    def described(s: Scenario) -> list[str]:
        shares = f"{100 * s.first:g} and {100 * s.second:g}"
        return [s.name, f"{s.prompts} × {s.images}", shares, f"{s.alike:g}"]

    covered = [
        [*described(s), *(_marked(held[name], SHOULD[0] <= held[name] <= SHOULD[1]) for name in INTERVALS)]
        for s, held, _ in rows
    ]
    levels = [
        [*described(s), *(_marked(levels_found[name], levels_found[name] <= level_max) for name in TESTS)]
        for s, _, levels_found in rows
    ]
    tables = [
        tabulate(body, ["world", *setting, *names], "github", disable_numparse=True)
        for body, names in ((covered, INTERVALS.values()), (levels, TESTS.values()))
    ]
    notes = NOTES.format(
        low=100 * SHOULD[0],
        high=100 * SHOULD[1],
        most=100 * level_max,
        error=100 * np.sqrt(LEVEL * (1 - LEVEL) / runs),
        seen=sum(not s.name.startswith("unseen") for s, *_ in rows),
        seed=seed,
    )
    command = f"python scripts/simulate_coverage.py --runs {runs} --resamples {resamples} --seed {seed}"
    made = f"Written by `{command}`: {runs:,} simulated runs per world, {resamples:,} resamples per test."
    head = f"# Coverage and level\n\n{made}"
    return "\n\n".join([head, notes.rstrip(), "## Coverage, %", tables[0], "## Level, %", tables[1]]) + "\n"


def _marked(value: float, fine: bool) -> str:
    return f"{100 * value:.1f}" if fine else f"**{100 * value:.1f}**"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000, help="simulated runs per world (default 2000)")
    parser.add_argument("--resamples", type=int, default=199, help="resamples of a permutation test (default 199)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated runs (default 1)")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/coverage.md"), help="where the tables go")
    options = parser.parse_args()
    if options.runs < 1 or options.resamples < 99:
        parser.error("--runs must be 1 or more and --resamples 99 or more")
    rows = []
    for scenario in SCENARIOS:
        print(scenario.name, file=sys.stderr, flush=True)
        held = coverage(scenario, options.runs, options.seed)
        rows.append((scenario, held, level(scenario, options.runs, options.resamples, options.seed)))
    text = report(rows, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
