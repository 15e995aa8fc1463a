"""The figures of a report: probabilities with their intervals, and a forest plot of the differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.report.cost_figure import cost_figure
from eval.report.description import summary
from eval.report.description.cost import RINGED, cost_meaning
from eval.report.drawing import GRID, INK, Plot, columns, drawing, legend, points_of
from eval.report.format import difference_points
from eval.report.labels import distinct_labels, short
from eval.report.report import Report
from eval.report.tables import categories_of
from eval.report.threshold_figure import threshold_figure
from i2p.categories import ALL

# Inches of a plot: a list may have thousands of categories, and matplotlib before 3.10 stops at 2^16 pixels.
TALLEST = 60


def draw_figures(report: Report) -> dict[str, Plot]:
    """Return the figures of a report by the names of their files; those without anything to show are left out."""
    caption = summary.under_figure(report)
    figures = {"probability": probability_figure(report.metrics, caption)}
    if report.differences:
        figures["differences"] = forest_figure(report.differences, report.printed_methods, caption)
    if report.thresholds:
        counted = report.by_definition.counted
        figures["thresholds"] = threshold_figure(report.thresholds, counted, report.printed_methods, caption)
    if cost := cost_figure(report.metrics, report.printed_methods, f"{RINGED} {cost_meaning(report)} {caption}"):
        figures["cost"] = cost
    return figures


def probability_figure(metrics: Sequence[Metrics], caption: str = "") -> Plot:
    """Draw inappropriate probability in percent with its intervals, one row of methods per category.

    Args:
        metrics: of every category and method.
        caption: stands at the foot, for a figure that is shown without its report.
    """
    methods = list(dict.fromkeys(m.method for m in metrics))
    at = {(m.category, m.method): m for m in metrics}
    step = 0.8 / len(methods)
    rows = max(0.36, 0.125 * len(methods) + 0.12)  # inches per category
    categories, left_out = _first((m.category for m in metrics if m.category != ALL), rows)
    categories.append(ALL)
    with drawing() as plot:
        top = 0.28 + 0.22 * math.ceil(len(methods) / columns(methods))
        axes = plot.axes(rows * len(categories), categories, left_out, caption, top=top)
        for number, name in enumerate(methods):
            shown = [(place, at[category, name]) for place, category in enumerate(categories)]
            shown = [(place - 0.4 + step * (number + 0.5), m) for place, m in shown if m.probability is not None]
            points_of(axes, number, [(y, m.probability, *m.new_prompts) for y, m in shown])
        for place in range(0, len(categories), 2):
            axes.axhspan(place - 0.5, place + 0.5, color=GRID, alpha=0.09, linewidth=0)
        largest = max((x for m in metrics for x in (m.probability, m.new_prompts_high) if x is not None), default=0)
        limit = min(100, 10 * math.ceil(10 * largest + 0.1))
        axes.set_xlim(-0.015 * limit, 1.015 * limit)
        axes.set_ylim(len(categories) - 0.5, -0.5)
        axes.set_yticks(range(len(categories)), distinct_labels(categories))
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.set_xlabel("inappropriate probability, % (95 % interval)")
        legend(axes, methods)
    return plot


def forest_figure(differences: Sequence[Difference], methods: Sequence[str], caption: str = "") -> Plot:
    """Draw paired differences in percentage points with their intervals.

    Args:
        differences: of every category and pair of methods.
        methods: the run's, in its order, which determines their colours.
        caption: as for `probability_figure`.
    """
    against = list(dict.fromkeys(d.against for d in differences))
    pairs = len({(d.method, d.against) for d in differences})
    every = categories_of(differences)
    categories, left_out = _first((name for name in every if name != ALL), 0.24 * (pairs + 1))
    categories += [name for name in every if name == ALL]
    differences = [d for d in differences if d.category in categories]
    named = {(d.method, d.against): d.method if len(against) == 1 else f"{d.method} – {d.against}" for d in differences}
    label_of = _labels([*methods, *named.values()] if len(against) == 1 else named.values())
    rows, labels = [], []
    for category, label in zip(categories, distinct_labels(categories), strict=True):
        if len(categories) > 1:
            rows.append(None)
            labels.append(label)
        for d in (d for d in differences if d.category == category):
            rows.append(d)
            labels.append(label_of[named[d.method, d.against]])
    with drawing() as plot:
        axes = plot.axes(0.24 * len(rows) + 0.1, labels, left_out, caption, top=0.3, right=1.7)
        axes.axvline(0, color=INK, linewidth=0.9)
        for number, name in enumerate(methods):
            shown = [(y, d) for y, d in enumerate(rows) if d is not None and d.method == name]
            points_of(axes, number, [(y, d.difference, *d.new_prompts) for y, d in shown])
        for y, d in enumerate(rows):
            if d is not None:
                axes.text(
                    1.03, y, difference_points(d), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5
                )
        axes.text(1.03, 1, "points [95 % interval]", transform=axes.transAxes, va="bottom", fontsize=8)
        reach = max(abs(x) for d in differences for x in (d.difference, *d.new_prompts) if x is not None)
        axes.set_xlim(*_span(differences, reach))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), labels)
        for label, d in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if d is None else "normal")
        axes.set_xlabel(f"points against {short(', '.join(against))}: left of 0 is less")
    return plot


def _first(categories: Iterable[str], inches: float) -> tuple[list[str], str]:
    """The categories that a plot has room for, at this height per category, and a sentence that counts the others."""
    names = list(dict.fromkeys(categories))
    included = names[: max(1, int(TALLEST / inches))]
    excluded = len(names) - len(included)
    return included, f"Not shown: {excluded:,} more categories; the tables have them." if excluded else ""


def _labels(names: Iterable[str]) -> dict[str, str]:
    """Name → its label."""
    names = list(dict.fromkeys(names))
    return dict(zip(names, distinct_labels(names), strict=True))


def _span(differences: Sequence[Difference], reach: float) -> tuple[float, float]:
    """The limits of the axis: the smallest and the largest value, 0 included, with a margin."""
    lows, highs = (
        [100 * (d.difference if d.new_prompts[end] is None else d.new_prompts[end]) for d in differences]
        for end in (0, 1)
    )
    margin = max(100 * reach * 0.06, 1)
    return min(*lows, 0) - margin, max(*highs, 0) + margin
