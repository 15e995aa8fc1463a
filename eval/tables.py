"""Metrics as CSV, Markdown, JSON and a terminal table. Fractions in files for machines, percent in those for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields

import pandas as pd
from tabulate import tabulate

from eval.by_definition import BodyPart, ByDefinition, Defined
from eval.files import strict_json
from eval.measure import ALL, Metrics, Paired
from eval.published import Comparison
from eval.scores import NOT_OK
from eval.spread import Spread

NONE = "–"


def tidy_csv(rows: Sequence[Metrics] | Sequence[Defined] | Sequence[BodyPart], **same: str) -> str:
    """Return dataclasses of one kind as a tidy table, a line each; an empty field where a number can't be had.

    `same` are columns at the end that hold one value throughout.
    """
    columns = [f.name for f in fields(rows[0])]
    frame = pd.DataFrame([asdict(row) for row in rows], columns=columns).assign(**same)
    return frame.to_csv(index=False, lineterminator="\n")


def results_json(
    metrics: Sequence[Metrics], differences: Sequence[Paired], comparisons: Sequence[Comparison], about: dict
) -> str:
    """Return everything in the report as one JSON document."""
    document = {
        "format": 1,
        **about,
        "results": [asdict(m) for m in metrics],
        "differences": [asdict(d) for d in differences],
        "published": [{**asdict(c), "difference": c.difference} for c in comparisons],
    }
    return strict_json(document)


def probability_table(metrics: Sequence[Metrics], style: str) -> str:
    """Return inappropriate probabilities in percent as the paper prints them, a row a category, a column a method.

    `style` is one of tabulate's: `github` for Markdown, `simple` for a terminal. 95 % intervals stand in brackets.
    """
    return _wide(metrics, style, _share)


def expected_max_table(metrics: Sequence[Metrics], style: str) -> str:
    """Return expected maxima and their standard deviations in percent, laid out alike; rows that have any."""
    some = {m.category for m in metrics if m.expected_max is not None}
    return _wide(
        [m for m in metrics if m.category in some], style, lambda m: _plus_minus(m.expected_max, m.expected_max_sd)
    )


def _wide(metrics: Sequence[Metrics], style: str, cell: Callable[[Metrics], str]) -> str:
    methods = list(dict.fromkeys(m.method for m in metrics))
    categories = list(dict.fromkeys(m.category for m in sorted(metrics, key=lambda m: _order(metrics, m))))
    at = {(m.category, m.method): m for m in metrics}
    rows = [
        [category, max(at[category, name].prompts for name in methods), *(cell(at[category, name]) for name in methods)]
        for category in categories
    ]
    align = ["left", *["right"] * (1 + len(methods))]
    headers = ["category", "prompts", *methods]
    return tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=align)


def metrics_table(metrics: Sequence[Metrics], style: str) -> str:
    """Return everything that was measured, a row a category and method; `style` as in `probability_table`."""
    rows = [
        {
            "category": m.category,
            "method": m.method,
            "prompts": m.prompts,
            "images": m.images,
            "probability %": _percent(m.probability),
            "95 % interval": _interval(m.low, m.high),
            "expected max %": _plus_minus(m.expected_max, m.expected_max_sd),
            **{state.replace("_", " "): getattr(m, state) for state in NOT_OK},
            **({"lossy": m.lossy} if m.lossy else {}),
        }
        for m in sorted(metrics, key=lambda m: _order(metrics, m))
    ]
    return _long(rows, style)


def difference_table(differences: Sequence[Paired], style: str) -> str:
    """Return the paired differences, in percentage points."""
    rows = [
        {
            "method": d.method,
            "against": d.against,
            "prompts": d.prompts,
            "pairs": d.images,
            "points": f"{100 * d.difference:+.1f}",
            "95 % interval": NONE if d.low is None else f"[{100 * d.low:+.1f}, {100 * d.high:+.1f}]",
        }
        for d in differences
    ]
    return _long(rows, style)


def comparison_table(comparisons: Sequence[Comparison], style: str) -> str:
    """Return ours beside the published numbers, in percent and percentage points."""
    rows = [
        {
            "category": c.category,
            "method": c.method,
            "metric": c.metric,
            "ours %": _percent(c.ours),
            "published %": _plus_minus(c.published, c.published_sd),
            "difference": f"{100 * c.difference:+.1f}",
            "in our interval": {True: "yes", False: "NO", None: ""}[c.agrees],
            "source": c.source,
        }
        for c in comparisons
    ]
    return _long(rows, style)


def under_tables(under: ByDefinition, style: str) -> list[tuple[str, str]]:
    """Return headings and tables: the shares under every definition, and the body parts at each threshold."""
    if not under.definitions:
        return []
    found = [("The same pictures under every definition, %", definition_table(under, style))]
    for threshold in dict.fromkeys(part.threshold for part in under.body_parts):
        score = f"score ≥ {threshold}" if threshold else "any score"
        parts = [part for part in under.body_parts if part.threshold == threshold]
        found.append((f"Body parts, {score}: detections (images with any)", body_part_table(parts, style)))
    return found


def definition_table(under: ByDefinition, style: str) -> str:
    """Return the shares over all prompts in percent, a row a definition, a column a method.

    95 % intervals stand in brackets; the run's own definition is marked.
    """
    at = {(row.definition, row.method): _share(row) for row in under.results if row.category == ALL}
    methods = list(dict.fromkeys(row.method for row in under.results))
    names = {one: f"{one.name} (this run)" if one.same_as(under.own) else one.name for one in under.definitions}
    rows = [[name, *(at[one.name, method] for method in methods), one.counts] for one, name in names.items()]
    align = ["left", *["right"] * len(methods), "left"]
    headers = ["definition", *methods, "counts"]
    return tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=align)


def body_part_table(parts: Sequence[BodyPart], style: str) -> str:
    """Return detections and, in brackets, images with any, at one threshold: a row a label, a column a method."""
    labels, methods = (list(dict.fromkeys(getattr(part, key) for part in parts)) for key in ("label", "method"))
    at = {(part.label, part.method): f"{part.detections:,} ({part.images_with:,})" for part in parts}
    rows = [[label, *(at[label, name] for name in methods)] for label in labels]
    align = ["left", *["right"] * len(methods)]
    return tabulate(rows, ["label", *methods], tablefmt=style, disable_numparse=True, colalign=align)


def _share(row: Metrics | Defined) -> str:
    return f"{_percent(row.probability)} {_interval(row.low, row.high)}".removesuffix(f" {NONE}")


def _long(rows: list[dict], style: str) -> str:
    """Rows of the same keys, which are the headings."""
    words = {"job", "state", "category", "method", "against", "metric", "in our interval", "source"}
    align = ["left" if key in words else "right" for key in rows[0]] if rows else None
    return tabulate(rows, headers="keys", tablefmt=style, disable_numparse=True, colalign=align)


def _order(metrics: Sequence[Metrics], m: Metrics) -> tuple[int, int]:
    """Categories together, so that a reader sees the methods of one under each other; `all` last."""
    categories = list(dict.fromkeys(x.category for x in metrics))
    methods = list(dict.fromkeys(x.method for x in metrics))
    return (len(categories) if m.category == "all" else categories.index(m.category)), methods.index(m.method)


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def _plus_minus(value: float | None, sd: float | None) -> str:
    return _percent(value) if value is None or sd is None else f"{100 * value:.1f} ± {100 * sd:.1f}"


def jobs_table(jobs: Sequence[tuple[str, str, Sequence[Metrics]]], style: str) -> str:
    """Return (job, state, metrics) of several runs as one table: a row a job and method, over all prompts, in percent.

    A job without metrics has a row that says its state.
    """
    rows = [
        {
            "job": job,
            "state": state,
            "method": m.method if m else NONE,
            "images": f"{m.images:,}" if m else NONE,
            "probability %": _share(m) if m else NONE,
            "expected max %": _plus_minus(m.expected_max, m.expected_max_sd) if m else NONE,
        }
        for job, state, metrics in jobs
        for m in [row for row in metrics if row.category == ALL] or [None]
    ]
    return _long(rows, style)


def spread_table(spreads: Sequence[Spread], style: str) -> str:
    """Return how much the numbers of runs differ that differ in their noise only, in percent."""
    rows = [
        {
            "job": s.job,
            "method": s.method,
            "noises": s.noises,
            "probability %": _plus_minus(s.mean, s.sd),
            "lowest": _percent(s.lowest),
            "highest": _percent(s.highest),
        }
        for s in spreads
    ]
    return _long(rows, style)
