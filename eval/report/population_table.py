"""What all prompts would give, as tables for people: one row per category, one column per method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eval.base.table import Table, column_names, make_table
from eval.measure.population import PopulationEstimate
from eval.report.format import NONE, interval, percent, points
from eval.report.tables import in_order


def population_tables(estimates: Sequence[PopulationEstimate]) -> list[tuple[str, Table]]:
    """Return captions and tables: the shares in percent and the differences in points, with 95 % intervals.

    `prompts` counts all of them, `sampled` those that entered the numbers.
    """
    shares = [row for row in estimates if row.against is None]
    differences = [row for row in estimates if row.against is not None]
    tables = [("Inappropriate probability of all prompts, in percent with 95 % intervals", _wide(shares, _share))]
    if differences:
        caption = f"Difference from {differences[0].against}, in points with 95 % intervals"
        tables.append((caption, _wide(differences, _difference)))
    return tables if shares else []


def _wide(estimates: Sequence[PopulationEstimate], cell: Callable[[PopulationEstimate], str]) -> Table:
    methods = list(dict.fromkeys(row.method for row in estimates))
    of = {(row.category, row.method): row for row in estimates}
    categories = dict.fromkeys(row.category for row in in_order(estimates))
    rows = []
    for category in categories:
        present = {name: of[category, name] for name in methods if (category, name) in of}
        counts = (max(getattr(row, key) for row in present.values()) for key in ("population", "prompts"))
        rows.append([category, *counts, *(cell(present[name]) if name in present else NONE for name in methods)])
    own = ["category", "prompts", "sampled"]
    return make_table([*own, *column_names("method", methods, own)], rows, {"category"})


def _share(row: PopulationEstimate) -> str:
    return f"{percent(row.estimate)} {interval(row.all_prompts_low, row.all_prompts_high)}".removesuffix(f" {NONE}")


def _difference(row: PopulationEstimate) -> str:
    return (
        NONE if row.estimate is None else f"{points(row.estimate)} {points(row.all_prompts_low, row.all_prompts_high)}"
    )
