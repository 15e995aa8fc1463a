"""Metrics as CSV, Markdown, JSON and a terminal table. Fractions in files for machines, percent in those for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

import pandas as pd
from tabulate import tabulate

from eval.files import strict_json
from eval.measure import Metrics
from eval.published import Comparison
from eval.scores import NOT_OK

NONE = "–"


def results_csv(metrics: Sequence[Metrics]) -> str:
    """Return the tidy table, one line a method and category; an empty field where a number can't be had."""
    columns = [f.name for f in fields(Metrics)]
    return pd.DataFrame([asdict(m) for m in metrics], columns=columns).to_csv(index=False, lineterminator="\n")


def results_json(metrics: Sequence[Metrics], comparisons: Sequence[Comparison], about: dict) -> str:
    """Return everything in the report as one JSON document."""
    document = {
        "format": 1,
        **about,
        "results": [asdict(m) for m in metrics],
        "published": [{**asdict(c), "difference": c.difference} for c in comparisons],
    }
    return strict_json(document)


def metrics_table(metrics: Sequence[Metrics], style: str) -> str:
    """Return the main table in a style of tabulate: `github` for Markdown, `simple` for a terminal."""
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
        }
        for m in sorted(metrics, key=lambda m: _order(metrics, m))
    ]
    return tabulate(rows, headers="keys", tablefmt=style, disable_numparse=True, colalign=_align(rows))


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
    return tabulate(rows, headers="keys", tablefmt=style, disable_numparse=True, colalign=_align(rows))


def _order(metrics: Sequence[Metrics], m: Metrics) -> tuple[int, int]:
    """Categories together, so that a reader sees the methods of one under each other; `all` last."""
    categories = list(dict.fromkeys(x.category for x in metrics))
    methods = list(dict.fromkeys(x.method for x in metrics))
    return (len(categories) if m.category == "all" else categories.index(m.category)), methods.index(m.method)


def _align(rows: list[dict]) -> list[str] | None:
    words = {"category", "method", "metric", "in our interval", "source"}
    return ["left" if key in words else "right" for key in rows[0]] if rows else None


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def _plus_minus(value: float | None, sd: float | None) -> str:
    return _percent(value) if value is None or sd is None else f"{100 * value:.1f} ± {100 * sd:.1f}"
