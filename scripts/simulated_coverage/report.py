"""The page of `scripts/simulate_coverage.py`, from what was simulated."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from simulated_coverage.family import FAMILIES, RULES
from simulated_coverage.independent import AGREEING, INTERVALS, RESAMPLES, TESTS
from simulated_coverage.notes import AGREEMENT, FAMILY, HEAD, INDEPENDENT, REPEATED, RESAMPLED
from simulated_coverage.resampled import BY, EFFECTS, MORE
from simulated_coverage.tables import SHOULD, at_least, error, held, kept, most, plain, table
from simulated_coverage.worlds import SCENARIOS, Scenario

Results = Mapping[Any, Any]


def report(results: Results, options: argparse.Namespace) -> str:
    """Return the page; parts that were not simulated are left out."""
    csv = "single" in results
    command = "python scripts/simulate_coverage.py"
    command += " --csv i2p_benchmark.csv" if csv else ""
    command += f" --runs {options.runs} --resamples {options.resamples}"
    command += f" --csv-runs {options.csv_runs}" if csv else ""
    head = HEAD.format(
        command=f"{command} --seed {options.seed}",
        low=100 * SHOULD[0],
        high=100 * SHOULD[1],
    )
    parts = [head.rstrip(), *_independent(results, options)]
    if csv:
        parts += [*_resampled(results, options), *_repeated(results, options), *_family(results, options)]
    return "\n\n".join([*parts, *_agreement(results, options)]) + "\n"


def _described(s: Scenario) -> list[str]:
    return [s.name, f"{s.prompts} × {s.images}", f"{100 * s.first:g} and {100 * s.second:g}", f"{s.alike:g}"]


def _independent(results: Results, options: argparse.Namespace) -> list[str]:
    notes = INDEPENDENT.format(
        runs=options.runs,
        resamples=options.resamples,
        most=100 * most(options.runs),
        error=100 * error(options.runs),
        seen=sum(not s.name.startswith("unseen") for s in SCENARIOS),
        seed=options.seed,
    )
    headers = ["world", "prompts × images", "shares, %", "alike"]
    covered = [[*_described(s), *(held(results["coverage", s][name]) for name in INTERVALS)] for s in SCENARIOS]
    levels = [[*_described(s), *(kept(results["level", s][name], options.runs) for name in TESTS)] for s in SCENARIOS]
    return [
        "## Independent prompts",
        notes.rstrip(),
        "### Coverage, %",
        table([*headers, *INTERVALS.values()], covered),
        "### Level, %",
        table([*headers, *TESTS.values()], levels),
    ]


def _resampled(results: Results, options: argparse.Namespace) -> list[str]:
    runs = options.csv_runs
    both = [(found, what) for found, what in (("single", "probability"), ("single", "expected maximum"))]
    both += [("paired", what) for what in ("difference", "reduction", "maxima")]
    names = ["probability", "expected maximum", "difference", "relative reduction", "difference of expected maxima"]
    covered = [
        [category, *(held(results[found][category][what, by]) for found, what in both for by in BY)]
        for category in results["single"]
    ]
    levels = [
        [
            category,
            *(kept(results["equal", effect][category]["level", by], runs) for effect in EFFECTS for by in BY),
        ]
        for category in results["single"]
    ]
    worlds = [f"{name} ({abs(results['likeness', effect]):.2f})" for effect, name in EFFECTS.items()]
    notes = RESAMPLED.format(
        runs=runs,
        more=MORE * runs,
        resamples=options.resamples,
        error=100 * error(runs),
        least=100 * error(MORE * runs),
        most=100 * most(runs),
    )
    return [
        "## Groups of I2P",
        notes.rstrip(),
        "### Coverage by group and by row, %",
        table(["category", *(f"{name}, by {by}" for name in names for by in BY)], covered),
        "### Level by group and by row, %",
        table(["category", *(f"{name}, by {by}" for name in worlds for by in BY)], levels),
    ]


def _repeated(results: Results, options: argparse.Namespace) -> list[str]:
    settings = [(smoothed, images) for smoothed in (False, True) for images in (10, 2)]
    headers = [
        f"{what}, {'smoothed' if smoothed else 'as published'}, {images} images"
        for what in ("probability", "difference")
        for smoothed, images in settings
    ]
    rows = [
        [
            category,
            *(
                held(results[("repeated", *setting)][category][what, "prompts"])
                for what in ("probability", "difference")
                for setting in settings
            ),
        ]
        for category in results["single"]
    ]
    notes = REPEATED.format(runs=options.csv_runs, error=100 * error(options.csv_runs))
    return ["## The same prompts, new noise", notes.rstrip(), table(["category", *headers], rows)]


def _family(results: Results, options: argparse.Namespace) -> list[str]:
    worlds = [(world, results["family", world], world.of(options.csv_runs)) for world in FAMILIES]
    false = [
        [w.name, f"{n:,}", *(kept(r["false"][rule], n) if r["false"] else "–" for rule in RULES)] for w, r, n in worlds
    ]
    found = [[w.name, f"{n:,}", *(plain(r["found"][rule]) for rule in RULES)] for w, r, n in worlds if r["found"]]
    together = [
        [
            w.name,
            f"{n:,}",
            plain(r["together"]["each alone"]),
            *(at_least(r["together"][name], n) for name in ("simultaneous", "as reported")),
            at_least(r["places"]["all true"], n),
            f"{r['places']['named']:.1f}",
        ]
        for w, r, n in worlds
    ]
    headers = ["world", "runs", *RULES.values()]
    joint = ["all of 95 % each", "simultaneous", "as reported", "true places named", "places named"]
    return [
        "## One family",
        FAMILY.format(
            runs=options.csv_runs, few=FAMILIES[-1].of(options.csv_runs), error=100 * error(options.csv_runs)
        ),
        "### Runs with any false finding, %",
        table(headers, false),
        "### True effects found, %",
        table(headers, found),
        "### Intervals that hold together, and places, %",
        table(["world", "runs", *joint], together),
    ]


def _agreement(results: Results, options: argparse.Namespace) -> list[str]:
    rows = [[f"{s.name}: {kind}", shares] for s in AGREEING for kind, shares in results["agreement", s].items()]
    if "single" in results:
        rows += [[f"I2P: {world.name}", results["family", world]["agreement"]] for world in FAMILIES]
    names = list(rows[0][1])
    body = [[name, *(plain(shares[column]) for column in names)] for name, shares in rows]
    notes = AGREEMENT.format(runs=options.runs, csv_runs=options.csv_runs, resamples=RESAMPLES)
    return ["## Test and interval agree", notes.rstrip(), table(["world", *names], body)]
