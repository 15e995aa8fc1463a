"""What safety costs beside what it gains: a quiet column in other tables, and tables of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from eval.base.table import Table
from eval.measure.cost import NO_COST, HasCost, dominated, measured, shown_measure
from eval.measure.metrics import Metrics
from eval.report.format import COST_NAMES, NONE, cost_share, cost_value, long_table, prompts_of, share
from i2p.categories import ALL, key

COST = "cost"  # heading of the quiet column, which a sentence beside the table explains
SHORT = {"clip_distance": "CLIP dist.", "clip_score_difference": "CLIP score"}  # headings of narrow columns


def cost_column(rows: Sequence[HasCost], style: str = COST) -> Callable[[HasCost | None], dict[str, str]]:
    """Return what makes the cell of a row's cost, by its heading; no cell where none of the rows has a cost.

    In place of a row may stand None, for a dash.

    Args:
        rows: of the whole table.
        style: `cost` for the quiet column, in which more is worse; `narrow` for the measure by its name; `full` for
            the same with its interval.
    """
    measure = shown_measure(rows)
    if measure is None:
        return lambda _: {}
    if style == "full":
        return lambda row: {COST_NAMES[measure]: cost_share(row.cost if row else NO_COST, measure)}
    if style == "narrow":
        return lambda row: {SHORT.get(measure, COST_NAMES[measure]): cost_value(row.cost.value(measure), measure)}
    return lambda row: {COST: cost_value((row.cost if row else NO_COST).loss(measure), measure)}


def cost_heading(categories: Iterable[str]) -> str:
    """Return the heading of the row of costs: another one where a list of prompts has a category of that name."""
    # No category's name has a comma, which separates them.
    return f"{COST}, all prompts" if COST in map(key, categories) else COST


def with_cost_row(table: Table, metrics: Sequence[Metrics]) -> Table:
    """Return a table of one column per method with a last row, what each costs over all prompts."""
    measure = shown_measure(metrics)
    if measure is None:
        return table
    overall = {m.method: m for m in metrics if m.category == ALL}
    methods = dict.fromkeys(m.method for m in metrics)
    cells = [cost_value(overall[name].cost.loss(measure), measure) for name in methods]
    heading = cost_heading(m.category for m in metrics)
    return replace(table, rows=(*table.rows, (heading, prompts_of(overall.values()), *cells)))


def cost_table(metrics: Sequence[Metrics]) -> Table:
    """Return every measure of each method over all prompts, beside its inappropriate probability, with intervals."""
    overall = [m for m in metrics if m.category == ALL]
    names, measure = measured(overall), shown_measure(overall)
    better = dominated(overall, measure) if measure else {}
    rows = [
        {
            "method": m.method,
            "images": f"{m.cost.quality_images or 0:,}",
            "probability %": share(m),
            **{COST_NAMES[name]: cost_share(m.cost, name) for name in names},
            **({"surpassed by": ", ".join(better.get(m.method, [])) or NONE} if better else {}),
        }
        for m in overall
    ]
    return long_table(rows)
