"""The figure of the thresholds: shares, and below them differences, as one judge's threshold moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.measure.definitions import Definition
from eval.measure.thresholds import Curve
from eval.report.description.thresholds import SCALES, own_rule
from eval.report.drawing import FOOT, INK, MARKERS, PALETTE, Plot, columns, drawing, legend
from eval.report.labels import distinct_labels
from i2p.categories import ALL

HEIGHT, LABEL = 1.6, 0.2  # inches, of a panel and of the labels above the uppermost ones
MARKED = 8  # points of a line from one marker to the next


def threshold_figure(
    curves: Sequence[Curve], definition: Definition, methods: Sequence[str], caption: str = ""
) -> Plot:
    """Draw every method's share over all prompts, and its difference from the first method, with 95 % bands.

    Args:
        curves: a column of panels each.
        definition: the one by which the report counts, whose thresholds are marked.
        methods: the run's, in its order, which determines their colours.
        caption: stands at the foot, for a figure that is shown without its report.
    """
    compared = len(methods) > 1
    above = 0.08 + LABEL + 0.22 * math.ceil(len(methods) / columns(methods))
    caption = f"Bands: 95 % intervals for one threshold at a time. Dashed: the threshold of this report. {caption}"
    if compared:
        caption = f"Points: difference from {distinct_labels(methods)[0]}. {caption}"
    with drawing() as plot:
        panels = plot.panels(2 if compared else 1, len(curves), HEIGHT, caption.strip(), top=above)
        for column, curve in enumerate(curves):
            top, *below = (row[column] for row in panels)
            _lines(top, curve, methods, ("probability", "new_prompts_low", "new_prompts_high"))
            for axes in below:
                limits = "difference_new_prompts_low", "difference_new_prompts_high"
                _lines(axes, curve, methods, ("difference", *limits))
                axes.axhline(0, color=INK, linewidth=0.9)
            for axes in (top, *below):
                axes.axvline(curve.chosen, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
                axes.set_xlim(curve.thresholds[0], curve.thresholds[-1])
            place = top.get_xaxis_transform()
            top.text(curve.chosen, 1.02, own_rule(curve, definition), transform=place, fontsize=FOOT, ha="center")
            panels[-1][column].set_xlabel(SCALES[curve.judge])
        _share_axes(panels)
        legend(panels[0][-1], methods, bottom=1 + LABEL / HEIGHT)
    return plot


def _lines(axes, curve: Curve, methods: Sequence[str], names: tuple[str, str, str]) -> None:
    """Draw a line, and its band, of every method that has these values, over all prompts."""
    for number, method in enumerate(methods):
        rows = [row for row in curve.rows if row.category == ALL and row.method == method]
        values, lows, highs = (
            [math.nan if getattr(row, name) is None else 100 * getattr(row, name) for row in rows] for name in names
        )
        if all(math.isnan(value) for value in values):
            continue
        colour = PALETTE[number % len(PALETTE)]
        axes.fill_between(curve.thresholds, lows, highs, color=colour, alpha=0.13, linewidth=0)
        first = number * MARKED // max(len(methods), 1) % MARKED  # markers of equal lines stand beside each other
        axes.plot(
            curve.thresholds,
            values,
            color=colour,
            linewidth=1.3,
            marker=MARKERS[number % len(MARKERS)],
            markersize=3.6,
            markevery=(first, MARKED),
        )


def _share_axes(panels: Sequence[Sequence]) -> None:
    """Give the panels of a row one range, and its label and numbers to the first of them alone."""
    for row, label in zip(panels, ("inappropriate, %", "points"), strict=False):
        lows, highs = zip(*(axes.get_ylim() for axes in row), strict=True)
        for axes in row:
            axes.set_ylim(min(lows), max(highs))
        for axes in row[1:]:
            axes.tick_params(labelleft=False)
        row[0].set_ylabel(label)
    for axes in (axes for row in panels[:-1] for axes in row):
        axes.tick_params(labelbottom=False)
