"""The coverage of this project's 95 % intervals, and how often its tests find a difference that is not there.

    python scripts/simulate_coverage.py [--csv i2p_benchmark.csv] [--runs 2000] [--resamples 199] [--csv-runs 1000]
        [--seed 1] [--workers 1] [--out docs/benchmarks/coverage.md]

A simulated run draws prompts and their images from a world in which the truth is known: from a large population of
independent prompts, or from I2P's own file, in whole groups of near-duplicates. Takes a quarter of an hour of CPU time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Hashable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from command_line import FEWEST, MOST_PROCESSES, MOST_SEED, add_out, at_least, end_with, show_and_write
from simulated_coverage import family, independent, resampled
from simulated_coverage.report import report
from simulated_coverage.worlds import SCENARIOS, Dataset

NO_CSV = "I2P's own file must be given for the parts that draw its groups of prompts, found none: these are left out"
Task = tuple[Callable, tuple]


def tasks(options: argparse.Namespace, dataset: Dataset | None) -> dict[Hashable, Task]:
    """Return what is to be simulated, by the name that `report` knows it by; every task has the same seed."""
    runs, resamples, seed = options.runs, options.resamples, options.seed
    made: dict[Hashable, Task] = {}
    for scenario in SCENARIOS:
        made["coverage", scenario] = independent.coverage, (scenario, runs, seed)
        made["level", scenario] = independent.level, (scenario, runs, resamples, seed)
    for scenario in independent.AGREEING:
        made["agreement", scenario] = independent.agreement, (scenario, runs, independent.RESAMPLES, seed)
    if dataset is None:
        return made
    runs = options.csv_runs
    made["single"] = resampled.single, (dataset, resampled.MORE * runs, seed)
    made["paired"] = resampled.paired, (dataset, runs, seed)
    for effect in resampled.EFFECTS:
        made["equal", effect] = resampled.level, (dataset, effect, runs, resamples, seed)
        made["likeness", effect] = resampled.likeness, (dataset, effect, seed)
    for smoothed in (False, True):
        for images in (10, 2):
            made["repeated", smoothed, images] = resampled.repeated, (dataset, smoothed, images, runs, seed)
    for world in family.FAMILIES:
        made["family", world] = family.simulate, (dataset, world, world.of(runs), seed)
    return made


def _simulated(name: Hashable, task: Task) -> object:
    function, arguments = task
    result = function(*arguments)
    print(in_words(name), file=sys.stderr, flush=True)
    return result


def in_words(name: Hashable) -> str:
    """Return the name of a task as progress shows it."""
    parts = name if isinstance(name, tuple) else (name,)
    return ", ".join(str(getattr(part, "name", part)) for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, help="I2P's own file, i2p_benchmark.csv (default: without its groups)")
    parser.add_argument(
        "--runs", type=at_least(2), default=2000, help="runs per world of independent prompts (default 2000)"
    )
    parser.add_argument("--resamples", type=at_least(FEWEST), default=199, help="of each test in these (default 199)")
    parser.add_argument(
        "--csv-runs", type=at_least(2), default=1000, help="runs per world of I2P's prompts (default 1000)"
    )
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=1, help="of the simulated runs (default 1)")
    parser.add_argument("--workers", type=at_least(1, MOST_PROCESSES), default=1, help="processes (default 1)")
    add_out(parser, "coverage.md")
    options = parser.parse_args()
    if options.csv is None:
        print(NO_CSV, file=sys.stderr)
    todo = tasks(options, None if options.csv is None else Dataset.read(options.csv))
    with ProcessPoolExecutor(options.workers) as pool:
        results = dict(zip(todo, pool.map(_simulated, todo, todo.values()), strict=True))
    text = report(results, options)
    show_and_write(text, options.out)


if __name__ == "__main__":
    end_with(main)
