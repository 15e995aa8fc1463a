"""The coverage of KID's 95 % intervals in worlds whose distance is known.

    python scripts/simulate_kid_coverage.py [--runs 150] [--seed 1] [--out docs/benchmarks/kid_coverage.md]

A world has 1,500 prompts of six pictures, each an array of 32 numbers from 0 up that resembles those of its prompt, and
what a method makes of each. A run draws prompts with replacement, so that the distance of all pictures is the truth of
every run. Takes a quarter of an hour of CPU time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from command_line import MOST_SEED, add_out, at_least, end_with, show_and_write
from simulated_coverage.tables import held, table

from eval.measure.estimates import Estimate
from eval.measure.kid import kid, own_similarity, paired_kid

PROMPTS, PICTURES, LENGTH = 1500, 6, 32
REFERENCE = 500
SAMPLES = ((10, 4), (50, 1), (50, 6), (200, 1), (200, 3))  # prompts × images of a run
NOTES = """# Coverage of KID's intervals

Written by `{command}`.

Each cell has two percentages. The first is that of the intervals of 95 % which hold the truth, in bold outside 93–97;
of {runs:,} simulated runs it has a standard error of {error:.1f} points. The second is that of the runs which have an
interval: fewer than five prompts with a changed picture give none. *Paired* is the distance from the first method's
own pictures, *reference* that from {reference} other pictures of the world, taken as given. Both are the product's own
functions.

Where two distributions are alike, the distance is a degenerate statistic, whose bootstrap is known to be too wide: it
errs on the safe side. Where a method changes the pictures of few prompts, and fewer than some ten of these are in the
sample, the interval ends too low, since the sample has seen too little: this shows most against a reference, where the
other prompts' pictures give it a length that looks honest.
"""


def worlds(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the method's and the first method's pictures of each world, both (prompts, pictures, length)."""
    prompts = 0.6 * rng.normal(size=(PROMPTS, 1, LENGTH))
    noise, other, own = (0.6 * rng.normal(size=(PROMPTS, PICTURES, LENGTH)) for _ in range(3))
    first = prompts + noise

    def some(share: float, by: float) -> np.ndarray:
        return np.where(rng.random((PROMPTS, 1, 1)) < share, first + by + own / 2, first)

    made = {
        "other pictures of the same distribution": prompts + other,
        "each prompt moves its own way": first + 0.3 * rng.normal(size=(PROMPTS, 1, LENGTH)),
        "all pictures move alike": first + 0.15,
        "a tenth of the prompts change much": some(0.1, 1.0),
        "a fiftieth of the prompts change more": some(0.02, 1.5),
    }
    return {name: (np.maximum(pictures, 0), np.maximum(first, 0)) for name, pictures in made.items()}


def kernel(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean kernel of all pairs, of a part of the rows at a time."""
    parts = np.array_split(first, PICTURES * 5)  # of one size
    return float(np.mean([((part @ second.T / LENGTH + 1) ** 3).mean() for part in parts]))


def coverage(
    world: tuple[np.ndarray, np.ndarray], prompts: int, images: int, runs: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Return form → the share of intervals that have the truth, and that of runs which have an interval."""
    made, first = world
    x, y = (side.reshape(-1, LENGTH) for side in world)
    rng = np.random.default_rng([seed, prompts, images])
    reference = y[rng.choice(len(y), REFERENCE, replace=False)]
    own = own_similarity(reference)
    groups = np.repeat(np.arange(prompts), images)
    truths = {
        "paired": kernel(x, x) + kernel(y, y) - 2 * kernel(x, y),
        "reference": kernel(x, x) - 2 * kernel(x, reference) + own,
    }
    forms: dict[str, Callable[[np.ndarray, np.ndarray], Estimate]] = {
        "paired": lambda a, b: paired_kid(a, b, groups),
        "reference": lambda a, b: kid(a, groups, reference, own=own),
    }
    estimates: dict[str, list[Estimate]] = {form: [] for form in forms}
    for _ in range(runs):
        rows = rng.integers(PROMPTS, size=prompts)[:, None]
        columns = np.argsort(rng.random((prompts, PICTURES)), axis=1)[:, :images]
        sides = [side[rows, columns].reshape(-1, LENGTH) for side in (made, first)]
        for form, estimate in forms.items():
            estimates[form].append(estimate(*sides))
    shares = {}
    for form, truth in truths.items():
        known = [e for e in estimates[form] if e.low is not None]
        shares[form] = float(np.mean([e.low <= truth <= e.high for e in known])) if known else 0.0, len(known) / runs
    return shares


def report(results: dict[tuple[str, int, int], dict[str, tuple[float, float]]], options: argparse.Namespace) -> str:
    """Return the page."""
    command = f"python scripts/simulate_kid_coverage.py --runs {options.runs} --seed {options.seed}"
    error = 100 * np.sqrt(0.95 * 0.05 / options.runs)
    notes = NOTES.format(command=command, runs=options.runs, error=error, reference=REFERENCE)
    rows = [
        [world, f"{prompts} × {images}", *(_cell(*shares[form]) for form in ("paired", "reference"))]
        for (world, prompts, images), shares in results.items()
    ]
    return f"{notes}\n{table(['the method', 'prompts × images', 'paired', 'reference'], rows)}\n"


def _cell(share: float, known: float) -> str:
    return f"{held(share) if known else '–'} / {100 * known:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=at_least(2), default=150, help="runs per world and sample (default 150)")
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=1, help="of the worlds and runs (default 1)")
    add_out(parser, "kid_coverage.md")
    options = parser.parse_args()
    results = {}
    for name, world in worlds(np.random.default_rng(options.seed)).items():
        for prompts, images in SAMPLES:
            results[name, prompts, images] = coverage(world, prompts, images, options.runs, options.seed)
    text = report(results, options)
    show_and_write(text, options.out)


if __name__ == "__main__":
    end_with(main)
