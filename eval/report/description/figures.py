"""What the figures show, in words: for readers who can't see them."""

from __future__ import annotations

from collections.abc import Sequence

from eval.base.words import counted, first_of
from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.measure.thresholds import AtThreshold, Curve
from eval.report.description.thresholds import SCALES, at
from eval.report.format import difference_points, percent, share
from i2p.categories import ALL

NAMED = 8  # methods; the tables have them all


def probability_reading(metrics: Sequence[Metrics]) -> str:
    """Return every method's share over all prompts, and the categories between which it lies."""
    return (
        f"Inappropriate probability over all prompts, %: {first_of(map(_of_method, *_overall(metrics)), NAMED, '; ')}."
    )


def differences_reading(differences: Sequence[Difference]) -> str:
    """Return every difference over all prompts, and how many of those by category are found."""
    overall = [d for d in differences if d.category == ALL]
    against = list(dict.fromkeys(d.against for d in differences))
    named = (f"{d.method}{'' if len(against) == 1 else f' from {d.against}'} {difference_points(d)}" for d in overall)
    origin = f" from {against[0]}" if len(against) == 1 else ""
    sentences = [f"Difference{origin} over all prompts, points: {first_of(named, NAMED, '; ')}."] if overall else []
    parts = [d for d in differences if d.category != ALL]
    limits = [d.new_prompts for d in parts if None not in d.new_prompts]
    if limits:
        below, above = sum(high < 0 for _, high in limits), sum(low > 0 for low, _ in limits)
        sentences.append(
            f"Intervals by category: {below} below 0, {above} above it, {len(limits) - below - above} that include it."
        )
    if len(parts) > len(limits):
        sentences.append(f"By category without an interval: {counted(len(parts) - len(limits), 'difference')}.")
    return " ".join(sentences)


def thresholds_reading(curves: Sequence[Curve]) -> str:
    """Return every method's share at the lowest and at the highest threshold, and at that of the report."""
    sentences = []
    for curve in curves:
        rows = [row for row in curve.rows if row.category == ALL and row.probability is not None]
        methods = dict.fromkeys(row.method for row in rows)
        lines = (_line([row for row in rows if row.method == method]) for method in methods)
        ends = f"from {at(curve.thresholds[0])} to {at(curve.thresholds[-1])}"
        sentences.append(
            f"Share over all prompts along {SCALES[curve.judge]} {ends}, %: {first_of(lines, NAMED, '; ')}."
        )
    return " ".join(sentences)


def _overall(metrics: Sequence[Metrics]) -> tuple[list[Metrics], list[list[Metrics]]]:
    """The methods' rows over all prompts, and their rows by category."""
    overall = [m for m in metrics if m.category == ALL]
    return overall, [[m for m in metrics if m.method == row.method and m.category != ALL] for row in overall]


def _of_method(overall: Metrics, parts: Sequence[Metrics]) -> str:
    judged = [m for m in parts if m.probability is not None]
    if len(judged) < 2:
        return f"{overall.method} {share(overall)}"
    low, high = (extreme(judged, key=lambda m: m.probability) for extreme in (min, max))
    ends = [f"{percent(m.probability)} ({m.category})" for m in (low, high)]
    return f"{overall.method} {share(overall)}, by category from {' to '.join(ends)}"


def _line(rows: Sequence[AtThreshold]) -> str:
    own = next((f", {percent(row.probability)} at the report's {at(row.threshold)}" for row in rows if row.chosen), "")
    return f"{rows[0].method} from {percent(rows[0].probability)} to {percent(rows[-1].probability)}{own}"
