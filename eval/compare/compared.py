"""Two runs side by side: how their settings and their numbers differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from eval.base.errors import InputError
from eval.base.escape import csv_cell, markdown
from eval.base.words import first_clauses
from eval.compare.pairing import common_prompts, no_pairs, settings_apart
from eval.measure.definitions import own_definition
from eval.measure.differences import Difference, differences_of_pairs
from eval.measure.metrics import verdicts
from eval.measure.pairs import Side, pair_up
from eval.measure.unpaired import unpaired
from eval.report import tables
from eval.report.concepts import concept_deviations
from eval.report.description.methods import guidance_notes
from eval.report.description.origin import environment_notes
from eval.report.description.statistics import intervals_note
from eval.store.environment import environment_differences
from eval.store.scores import NOT_OK
from eval.store.stored_run import StoredRun
from i2p.categories import ALL


@dataclass(frozen=True)
class Compared:
    """How two runs differ.

    Attributes:
        first: A.
        second: B.
        differences: A's numbers minus B's.
        settings: in which settings they differ, as sentences.
        notes: what a reader should know beside the numbers, as sentences.
        missing: how many images of A and of B are still to be made or judged.
    """

    first: StoredRun
    second: StoredRun
    differences: tuple[Difference, ...]
    settings: tuple[str, ...]
    notes: tuple[str, ...]
    missing: tuple[int, int]

    def terminal(self) -> str:
        """Return the comparison for a terminal: every category of a single method, or all prompts of several."""
        rows, notes = self._labelled(), self.notes
        if len({(row.method, row.against) for row in rows}) > 1:
            rows = [row for row in rows if row.category == ALL]
            notes = (
                *notes,
                "By category: out=FOLDER writes all rows, method_a=… method_b=… shows those of two methods.",
            )
        table = tables.narrow_differences_table(rows).text("simple")
        return "\n\n".join([self._headline(), "\n".join(self.settings), table, "\n".join(notes)])

    def markdown(self) -> str:
        """Return the comparison as Markdown."""
        listed = ["\n".join(f"- {markdown(line)}" for line in lines) for lines in (self.settings, self.notes)]
        table = tables.differences_table(self._labelled()).text("github")
        head = ["# Two runs compared", markdown(self._headline()), "## Settings", listed[0]]
        return "\n\n".join([*head, "## A minus B", table, "## Notes", listed[1]]) + "\n"

    def csv(self) -> str:
        """Return the differences as a tidy table, fractions in [0, 1]."""
        runs = {"run": self.first, "against_run": self.second}
        return tables.tidy_csv(self.differences, **{key: csv_cell(str(s.run.root)) for key, s in runs.items()})

    def _headline(self) -> str:
        first, second = (f"{s.run.root} ({s.identity.model.source})" for s in (self.first, self.second))
        return f"A is {first}, B is {second}."

    def _labelled(self) -> list:
        return [replace(d, method=f"A: {d.method}", against=f"B: {d.against}") for d in self.differences]


def compare_runs(
    first: StoredRun, second: StoredRun, methods: tuple[str, str] | None = None, *, paired: bool = True
) -> Compared:
    """Return what differs between two runs.

    Args:
        first: A; a difference is its number minus B's.
        second: B.
        methods: one of A and one of B; None for every method that both have.
        paired: whether to compare pairs of the same prompt and noise, or two independent samples.

    Raises:
        InputError: a method is unknown, there is no method or picture to compare, or, if `paired`, the pictures are
            not pairs of the same prompt, noise and definition.
    """
    names = _names(first, second, methods)
    for stored in (first, second):
        own_definition(stored.protocol, stored.judges, f"choose a run other than {stored.run.root}")
    if paired and (obstacles := list(no_pairs(first, second))):
        raise InputError(
            f"{first.run.root} (A) and {second.run.root} (B) must have the same prompts, noise, judges and definition "
            f"to be compared pair by pair, found that {first_clauses(obstacles)}: choose other runs, or compare "
            "without pairs, paired=false"
        )
    frames = [verdicts(s) for s in (first, second)]
    sides = [
        tuple(
            Side(name, frame[frame["method"] == name], stored)
            for name, frame, stored in zip(both, frames, (first, second), strict=True)
        )
        for both in names
    ]
    if paired:
        pairs = [pair_up(*both) for both in sides]
        rows = differences_of_pairs(pairs, common_prompts(first, second), first.groups)
    else:
        rows = unpaired(sides)
    if not rows:
        raise InputError(
            f"{first.run.root} and {second.run.root} must both have pictures in state ok"
            f"{' for the same row and image' if paired else ''} to be compared, found none: complete them first"
        )
    missing = tuple(
        sum(key.method in {both[side] for both in names} for key in stored.missing)
        for side, stored in enumerate((first, second))
    )
    settings = settings_apart(first, second)
    return Compared(
        first,
        second,
        rows,
        tuple(f"{clause}." for clause in settings) or ("Both have the same settings.",),
        tuple(_notes(first, second, names, frames, missing, paired=paired)),
        missing,
    )


def _names(first: StoredRun, second: StoredRun, methods: tuple[str, str] | None) -> list[tuple[str, str]]:
    if methods is None:
        common = [(name, name) for name in first.methods if name in second.methods]
        if not common:
            raise InputError(
                f"{first.run.root} and {second.run.root} must have a method in common, found "
                f"{', '.join(first.methods)} and {', '.join(second.methods)}: name one of each, method_a=… method_b=…"
            )
        return common
    for key, name, stored in zip(("method_a", "method_b"), methods, (first, second), strict=True):
        if name not in stored.methods:
            raise InputError(
                f"{key} must be a method of {stored.run.root}, one of {', '.join(stored.methods)}, found {name!r}: "
                "choose one of these"
            )
    return [methods]


def _notes(
    first: StoredRun,
    second: StoredRun,
    names: list[tuple[str, str]],
    frames: list[pd.DataFrame],
    missing: tuple[int, ...],
    *,
    paired: bool,
) -> Iterator[str]:
    for side, (letter, stored) in enumerate((("A", first), ("B", second))):
        if missing[side]:
            yield f"INCOMPLETE: {missing[side]:,} images of {letter} are missing or unjudged; no number includes them."
        images = frames[side][frames[side]["method"].isin({both[side] for both in names})]
        counts = images["state"].value_counts()
        if bad := [f"{counts[state]:,} {state}" for state in NOT_OK if state in counts]:
            yield f"Images of {letter} that are not `ok`, and not in any number: {', '.join(bad)}."
        for deviation in (*stored.manifest.deviations, *concept_deviations(stored.manifest)):
            yield f"{letter} deviates from its protocol: {deviation}."
        shown = [both[side] for both in names]
        yield from (f"{letter}: {note}" for note in guidance_notes(stored.manifest, shown))
        yield from (f"{letter}: {note}" for note in environment_notes(stored.environments))
    if clauses := environment_differences(first.environments, second.environments):
        yield f"Drawn and judged in different environments, which can change numbers: {'; '.join(clauses)}."
    counts = [stored.protocol.images_per_prompt for stored in (first, second)]
    if paired:
        common = len(common_prompts(first, second))
        yield f"Paired by row and image, on the same noise: {common:,} rows in common."
        for letter, stored in (("A", first), ("B", second)):
            if unshared := len(stored.prompts) - common:
                yield f"Left out: {unshared:,} rows that only {letter} has."
        if counts[0] != counts[1]:
            yield f"Images per prompt: {counts[0]} in A and {counts[1]} in B; the first {min(counts)} are paired."
    else:
        yield (
            "UNPAIRED: the runs are treated as independent samples; where they share prompts or noise, "
            "intervals and p are larger than necessary."
        )
        if counts[0] != counts[1]:
            yield f"Images per prompt: {counts[0]} in A and {counts[1]} in B; p uses the first {min(counts)}."
        for clause in no_pairs(first, second):
            yield f"No pairs, since {clause}."
    yield "Points: A's share minus B's; reduction: how much of B's share A takes away."
    yield intervals_note(first.manifest)
    moved = (
        "sign-flip test that swaps the two methods for whole groups of prompts at a time; adjusted: step-down max-T"
        if paired
        else "permutation test that reassigns whole groups of prompts between the runs; adjusted: Holm's correction"
    )
    yield f"p: {moved} over all methods and categories."
