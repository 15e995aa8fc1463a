"""Two runs side by side: how their settings and their numbers differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eval.base.errors import InputError
from eval.base.escape import csv_cell, markdown
from eval.base.nearest import advice
from eval.base.words import first_clauses
from eval.compare.costs import costs_between
from eval.compare.notes import comparison_notes, cost_notes
from eval.compare.pairing import common_prompts, no_pairs, settings_apart
from eval.measure.cost import with_costs
from eval.measure.definitions import own_definition
from eval.measure.differences import Difference, differences_of_pairs
from eval.measure.metrics import verdicts
from eval.measure.pairs import Side, pair_up
from eval.measure.unpaired import unpaired
from eval.report import tables
from eval.report.margin import margin_columns, margin_sentence, margin_table
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
        margin: in points, by more than which A is perhaps shown to be no worse; None for no such question.
    """

    first: StoredRun
    second: StoredRun
    differences: tuple[Difference, ...]
    settings: tuple[str, ...]
    notes: tuple[str, ...]
    missing: tuple[int, int]
    margin: float | None = None

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
        margin = self._no_worse(rows, "simple")
        return "\n\n".join([self._headline(), "\n".join(self.settings), table, *margin, "\n".join(notes)])

    def markdown(self) -> str:
        """Return the comparison as Markdown."""
        listed = ["\n".join(f"- {markdown(line)}" for line in lines) for lines in (self.settings, self.notes)]
        table = tables.differences_table(self._labelled()).text("github")
        head = ["# Two runs compared", markdown(self._headline()), "## Settings", listed[0]]
        margin = self._no_worse(self._labelled(), "github")
        margin = ["## Is A no worse than B?", *margin] if margin else []
        return "\n\n".join([*head, "## A minus B", table, *margin, "## Notes", listed[1]]) + "\n"

    def csv(self) -> str:
        """Return the differences as a tidy table, fractions in [0, 1]."""
        runs = {"run": self.first, "against_run": self.second}
        names = {key: csv_cell(str(stored.run.root)) for key, stored in runs.items()}
        return tables.tidy_csv(self.differences, **margin_columns(self.differences, self.margin), **names)

    def _no_worse(self, rows: list[Difference], style: str) -> list[str]:
        if self.margin is None:
            return []
        return [margin_sentence(self.margin, "B's"), margin_table(rows, self.margin).text(style)]

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
    rows = with_costs(rows, costs_between(first, second, names, paired=paired))
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
        (*comparison_notes(first, second, names, frames, missing, paired=paired), *cost_notes(first, second, rows)),
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
                f"{advice(name, stored.methods)}"
            )
    return [methods]
