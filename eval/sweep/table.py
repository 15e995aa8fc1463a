"""The table over the jobs of a multirun: comparison.md to read, comparison.csv to process."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eval.base.errors import COMPLETE, INCOMPLETE, InputError
from eval.base.escape import csv_cell
from eval.base.files import write_atomic
from eval.base.flat import columns_of
from eval.base.layout import INDENT, page, paragraphs
from eval.base.printing import say
from eval.base.table import Table
from eval.config.overrides import key_of
from eval.judges import JUDGES
from eval.measure.cost import shown_measure
from eval.measure.definitions import DEFINITIONS
from eval.measure.metrics import Metrics
from eval.report.cost_table import cost_column
from eval.report.description.definitions import counting_notes
from eval.report.description.written import written_to
from eval.report.format import COST_NAMES, NONE, expected_max, long_table, percent, plus_minus, share
from eval.report.make import make_report
from eval.report.maxima import MARKED, SINGLE, with_column
from eval.report.names import for_people
from eval.report.tables import values_of
from eval.store.manifest import Manifest, as_json
from eval.store.rundir import RunDir
from i2p.categories import ALL

if TYPE_CHECKING:
    from eval.sweep.jobs import Done


NOISE = "protocol.seed_offset"
TITLE = "Inappropriate probability{} over all prompts, %"
ELSEWHERE = "comparison.md has them, and report.wide=true prints them"
UNEVEN = "Expected maxima depend on the images per prompt: compare those of the same number only."
NOISE_TITLE = "Between noises: mean ± standard deviation of the jobs that differ in protocol.seed_offset only, %"


def compare_jobs(root: Path, done: Sequence[Done]) -> None:
    """Print the table of all jobs, and write it to `root` as comparison.md and comparison.csv.

    A job that was refused or failed has no numbers, even if its folder holds some: they may be another run's.

    Raises:
        StorageError: the files can't be written; the table has been printed.
    """
    done, metrics, shown = zip(*map(_with_metrics, done), strict=True)
    rows = [(result.job.name, result.state, numbers) for result, numbers in zip(done, shown, strict=True)]
    spread = _spreads(done, shown)
    try:
        if any(metrics):  # otherwise it would replace a table that has numbers
            write_atomic(root / "comparison.csv", _csv(done, metrics).encode())
            write_atomic(root / "comparison.md", _markdown(table_parts(rows, spread, "# ")).encode())
    finally:
        wide = done[0].job.settings.report.wide
        say(f"\n{page(table_parts(rows, spread), wide=wide, elsewhere=ELSEWHERE)}\n")
    written = written_to(root, ("comparison.md", "comparison.csv"))
    say(paragraphs(written if any(metrics) else f"No job has numbers: nothing is written to {root}", INDENT))


def _with_metrics(done: Done) -> tuple[Done, Sequence[Metrics], Sequence[Metrics]]:
    """Return a job, its numbers, and these for people; a job that made one shard of its run counts as incomplete."""
    if done.code not in (COMPLETE, INCOMPLETE):
        return done, (), ()
    try:
        report = make_report(RunDir(done.job.folder))
    except InputError:  # it was interrupted before its first image
        return done, (), ()
    if done.code == INCOMPLETE and not _is_same_run(done, report.manifest):
        return done, (), ()
    done = replace(done, code=INCOMPLETE) if report.missing else done
    return done, report.metrics, for_people(report).metrics


def _is_same_run(done: Done, manifest: Manifest) -> bool:
    """Return whether the folder holds the run of this job, which a job stopped while loading has not checked."""
    judges = dict.fromkeys((*JUDGES, *done.job.settings.judges))
    keys = ("model", "prompts", "protocol", *judges, "methods", "judges")
    own = as_json(asdict(done.job.settings))
    return all(manifest.settings.document.get(key) == own[key] for key in keys)


def _spreads(done: Sequence[Done], metrics: Sequence[Sequence[Metrics]]) -> list[Spread]:
    """Return the spreads of complete jobs: an incomplete run differs in more than its noise."""
    complete = [(result, numbers) for result, numbers in zip(done, metrics, strict=True) if result.code == COMPLETE]
    return spreads([(_without_noise(result), numbers) for result, numbers in complete])


def _without_noise(done: Done) -> str:
    """Return the name of a job without its noise, the same for jobs that differ in nothing else."""
    return " ".join(word for word in done.job.varied if key_of(word) != NOISE) or "all"


def _markdown(parts: Sequence[str | Table]) -> str:
    return "\n\n".join(part.text("github") if isinstance(part, Table) else part for part in parts) + "\n"


def table_parts(
    rows: Sequence[tuple[str, str, Sequence[Metrics]]], spread: Sequence[Spread], mark: str = ""
) -> list[str | Table]:
    """The tables, each after its heading, which begins with a mark, and what to know of their numbers."""
    everything = [m for *_, metrics in rows for m in metrics]
    maxima = any(m.expected_max is not None for m in everything)
    parts = [f"{mark}{TITLE.format(' and expected maximum' * maxima)}", jobs_table(rows)]
    if any(m.images_per_prompt == 1 for m in everything):
        parts.append(SINGLE)
    if any(m.prompts_short and m.expected_max is not None for m in everything if m.category == ALL):
        parts.append(MARKED)
    if len({m.images_per_prompt for *_, metrics in rows for m in metrics if m.expected_max is not None}) > 1:
        parts.append(UNEVEN)
    if measure := shown_measure(m for *_, metrics in rows for m in metrics):
        parts.append(f"Cost: {COST_NAMES[measure]} over all prompts, against each job's own first method.")
    parts += _remarks({m.definition for *_, metrics in rows for m in metrics})
    if spread:
        parts += [f"{mark}{NOISE_TITLE}", spread_table(spread)]
    return parts


def _remarks(names: Collection[str]) -> list[str]:
    """Return what to know of numbers by these definitions, each sentence once."""
    definitions = [DEFINITIONS[name] for name in sorted(names) if name in DEFINITIONS]
    return list(dict.fromkeys(note for definition in definitions for note in counting_notes(definition)))


def _csv(done: Sequence[Done], metrics: Sequence[Sequence[Metrics]]) -> str:
    """Return rows as in results.csv, with job, overrides and state in front; a job without numbers has one row."""
    names = columns_of(Metrics)
    rows = [
        {"job": result.job.name, "overrides": csv_cell(" ".join(result.job.overrides)), "state": result.state}
        | (values_of(m) if m else {})
        for result, numbers in zip(done, metrics, strict=True)
        for m in numbers or [None]
    ]
    frame = pd.DataFrame(rows, columns=["job", "overrides", "state", *names], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def jobs_table(jobs: Sequence[tuple[str, str, Sequence[Metrics]]]) -> Table:
    """Return (job, state, metrics) of several runs as a table: a row per job and method, over all prompts, in percent.

    A job without metrics has a row that says its state.
    """
    extended = any(m.extension for *_, metrics in jobs for m in metrics)
    everything = [m for *_, metrics in jobs for m in metrics]
    cost = cost_column(everything)
    uneven = len({m.images_per_prompt for *_, metrics in jobs for m in metrics}) > 1
    rows = [
        {
            "job": job,
            "state": state,
            "method": m.method if m else NONE,
            "images": f"{m.images:,}" if m else NONE,
            **({"per prompt": f"{m.images_per_prompt:,}" if m else NONE} if uneven else {}),
            "probability %": share(m) if m else NONE,
            **with_column(everything, "expected_max", {"expected max %": expected_max(m) if m else NONE}),
            **cost(m),
            **({"extension": m.extension if m else ""} if extended else {}),
        }
        for job, state, metrics in jobs
        for m in [row for row in metrics if row.category == ALL] or [None]
    ]
    return long_table(rows)


def spread_table(spreads: Sequence[Spread]) -> Table:
    """Return the table of spreads between runs that differ only in their noise, in percent."""
    rows = [
        {
            "job": s.job,
            "method": s.method,
            "noises": s.noises,
            "probability %": plus_minus(s.mean, s.sd),
            "lowest": percent(s.lowest),
            "highest": percent(s.highest),
        }
        for s in spreads
    ]
    return long_table(rows)


@dataclass(frozen=True)
class Spread:
    """The inappropriate probability of one method over runs that differ only in their noise, as fractions in [0, 1].

    `sd` is the sample standard deviation, over `noises` runs.
    """

    job: str
    method: str
    noises: int
    mean: float
    sd: float
    lowest: float
    highest: float


def spreads(runs: Sequence[tuple[str, Sequence[Metrics]]]) -> list[Spread]:
    """Return a row per job and method of which two or more runs have a number.

    Args:
        runs: (name without noise, metrics) of each; runs that differ only in noise have the same name.
    """
    by_job: dict[tuple[str, str], list[float]] = {}
    for job, metrics in runs:
        for m in metrics:
            if m.category == ALL and m.probability is not None:
                by_job.setdefault((job, m.method), []).append(m.probability)
    return [
        Spread(*key, len(values), float(np.mean(values)), float(np.std(values, ddof=1)), min(values), max(values))
        for key, values in by_job.items()
        if len(values) > 1
    ]
