"""Metrics as CSV, JSON and tables: fractions in files for machines, percent in those for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pandas as pd

from eval.base.files import strict_json
from eval.base.flat import flat
from eval.base.table import Table, column_names, make_table
from eval.measure.by_definition import BodyPart, Defined
from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.measure.thresholds import AtThreshold
from eval.report.cost_table import COST, cost_column, with_cost_row
from eval.report.format import NONE, expected_max, interval, long_table, p_value, percent, points, prompts_of, share
from eval.report.maxima import with_column
from eval.report.published import PublishedNumber
from eval.store.scores import NOT_OK
from i2p.categories import ALL
from i2p.categories import in_order as in_order_of_report

Row = TypeVar("Row", Metrics, Difference)


def tidy_csv(rows: Sequence[Metrics | Difference | Defined | BodyPart | AtThreshold], **same: object) -> str:
    """Return dataclasses of one kind as a tidy table, one line per object; a field without a number is empty.

    Args:
        rows: the objects.
        **same: columns at the end: one value throughout, or a value per row.
    """
    frame = pd.DataFrame([values_of(row) for row in rows]).assign(**same)
    return frame.to_csv(index=False, lineterminator="\n")


def values_of(row: object) -> dict:
    """Return a row's values by name, for a file; a zero has no sign."""
    values = row.columns() if isinstance(row, Difference) else flat(row)
    return {name: value + 0.0 if isinstance(value, float) else value for name, value in values.items()}


def results_json(
    metrics: Sequence[Metrics], differences: Sequence[Difference], published: Sequence[PublishedNumber], about: dict
) -> str:
    """Return everything in the report as one JSON document."""
    document = {
        "format": 2,
        **about,
        "results": [values_of(m) for m in metrics],
        "differences": [values_of(d) for d in differences],
        "published": [{**values_of(number), "difference": number.difference + 0.0} for number in published],
    }
    return strict_json(document)


def probability_table(metrics: Sequence[Metrics]) -> Table:
    """Return inappropriate probabilities as the paper prints them: one row per category, one column per method.

    In percent, with 95 % intervals in brackets; the last row is what the methods cost.
    """
    return with_cost_row(wide_table(metrics, share), metrics)


def expected_max_table(metrics: Sequence[Metrics]) -> Table:
    """Return expected maxima with their intervals in percent, in the same layout; only rows that have any."""
    categories = {m.category for m in metrics if m.expected_max is not None}
    return with_cost_row(wide_table([m for m in metrics if m.category in categories], expected_max), metrics)


def wide_table(metrics: Sequence[Metrics], cell: Callable[[Metrics], str]) -> Table:
    """Return one row per category and one column per method, beside the number of prompts."""
    methods = list(dict.fromkeys(m.method for m in metrics))
    categories = list(dict.fromkeys(m.category for m in in_order(metrics)))
    at = {(m.category, m.method): m for m in metrics}
    rows = [
        [
            category,
            prompts_of(at[category, name] for name in methods),
            *(cell(at[category, name]) for name in methods),
        ]
        for category in categories
    ]
    own = ["category", "prompts"]
    return make_table([*own, *column_names("method", methods, own)], rows, {"category"})


def metrics_table(metrics: Sequence[Metrics]) -> Table:
    """Return everything that was measured, one row per category and method."""
    cost = cost_column(metrics, "full")
    rows = [
        {
            "category": m.category,
            "method": m.method,
            "prompts": m.prompts,
            "images": m.images,
            "probability %": percent(m.probability),
            "95 % interval": interval(*m.new_prompts),
            "same prompts": interval(*m.same_prompts),
            **with_column(metrics, "expected_max", _maximum(m)),
            **cost(m),
            **{state.replace("_", " "): getattr(m, state) for state in NOT_OK},
            **({"extension": m.extension} if any(other.extension for other in metrics) else {}),
            **({"lossy": m.lossy} if m.lossy else {}),
        }
        for m in in_order(metrics)
    ]
    return long_table(rows)


def _maximum(m: Metrics) -> dict[str, str]:
    return {"expected max %": expected_max(m), "spread": percent(m.expected_max_spread)}


def narrow_differences_table(differences: Sequence[Difference], *, against: bool = True) -> Table:
    """Return the differences in percentage points, with the columns that fit a terminal.

    Args:
        differences: of which several are tested as one family, so that only the adjusted p counts.
        against: whether to name what each method is compared with; if not, they are pairs, of the run's prompts.
    """
    parts = any(d.category != ALL for d in differences)
    cost = cost_column(differences, "narrow" if against else COST)
    rows = [
        {
            **({"category": d.category} if parts else {}),
            "method": d.method,
            **({"against": d.against, **d.counts()} if against else {"pairs": f"{d.images:,}"}),
            "points": points(d.difference),
            "95 % interval": points(*d.new_prompts),
            "reduction %": percent(d.relative_reduction),
            **cost(d),
            **({"p adj.": p_value(d.p_adjusted)} if len(differences) > 1 else {"p": p_value(d.p)}),
        }
        for d in in_order(differences)
    ]
    return long_table(rows)


def differences_table(differences: Sequence[Difference]) -> Table:
    """Return the differences with every column, one row per category and method."""
    cost = cost_column(differences, "full")
    rows = [
        {
            "category": d.category,
            "method": d.method,
            "against": d.against,
            **d.counts(),
            **_effects(d, differences),
            **cost(d),
            "p": p_value(d.p),
            "p, adjusted": p_value(d.p_adjusted),
            **({"p, McNemar": p_value(d.p_mcnemar)} if d.is_paired else {}),
        }
        for d in in_order(differences)
    ]
    return long_table(rows)


def _effects(d: Difference, differences: Sequence[Difference]) -> dict[str, str]:
    """The cells of a difference, its relative reduction and the difference of expected maxima, with their intervals."""
    reduction = d.relative_reduction, d.relative_reduction_low, d.relative_reduction_high
    maximum = d.expected_max_difference, d.expected_max_difference_low, d.expected_max_difference_high
    cells = {
        "points": (points(d.difference), points(*d.new_prompts)),
        "reduction, %": (percent(reduction[0]), interval(*reduction[1:])),
        **with_column(
            differences,
            "expected_max_difference",
            {"expected max, points": (points(maximum[0]), points(*maximum[1:]))},
        ),
    }
    return {
        name: " ".join(part for part in (cell[0], cell[1] if cell[1] != NONE else "") if part)
        for name, cell in cells.items()
    }


def published_table(published: Sequence[PublishedNumber]) -> Table:
    """Return the run's numbers beside the published ones, in percent and percentage points."""
    spreads = any(number.published_spread is not None for number in published)
    rows = [
        {
            "category": number.category,
            "method": number.method,
            "metric": number.metric,
            "ours %": percent(number.ours),
            "published %": percent(number.published),
            **({"spread": percent(number.published_spread)} if spreads else {}),
            "difference": points(number.difference),
            "same prompts, new noise": interval(number.repetition_low, number.repetition_high),
            "in that interval": {True: "yes", False: "NO", None: f"{NONE} ({number.untested})"}[number.agrees],
            "source": f"{number.source} (method inferred)" if number.inferred else number.source,
            "protocol": " or ".join(number.protocols),
        }
        for number in in_order(published)
    ]
    return long_table(rows)


def narrow_published_table(published: Sequence[PublishedNumber]) -> Table:
    """Return the published numbers with the columns that fit a terminal; notes say what the sources leave open."""
    rows = [
        {
            "category": number.category,
            "method": number.method,
            "metric": number.metric,
            "ours %": percent(number.ours),
            "published %": percent(number.published),
            "points": points(number.difference),
            "agrees (repetitions)": number.untested
            or f"{'yes' if number.agrees else 'NO'} {interval(number.repetition_low, number.repetition_high)}",
            "source": number.source,
        }
        for number in in_order(published)
    ]
    return long_table(rows)


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return rows of a table with those of a category together, methods under each other, and `all` last."""
    categories, methods = categories_of(rows), list(dict.fromkeys(row.method for row in rows))
    return sorted(rows, key=lambda row: (categories.index(row.category), methods.index(row.method)))


def categories_of(rows: Sequence[Row]) -> list[str]:
    """Return the categories of rows in the order of a report, `all` last.

    Of names that are not I2P's, those of the method with most come first: another may lack some, as it has no picture.
    """
    of_method: dict[str, dict[str, None]] = {}
    for row in rows:
        of_method.setdefault(row.method, {})[row.category] = None
    most_first = sorted(of_method.values(), key=len, reverse=True)
    return in_order_of_report(name for names in most_first for name in names)
