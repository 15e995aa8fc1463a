"""The methods that change places along a judge's thresholds, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from eval.base.table import Table, make_table
from eval.measure.thresholds import Curve, Extreme
from eval.report.description.thresholds import SCALES, at, places
from eval.report.format import NONE, points

HEADERS = ("along", "method", "other", "change places", "furthest below, points", "furthest above, points")


def turns_table(curves: Sequence[Curve]) -> Table | None:
    """Return a row for each two methods that change places, with their paired difference where their shares lie
    furthest apart.

    Differences are the method's minus the other's, with 95 % intervals. None where no two methods change places.
    """
    rows = [
        (SCALES[curve.judge], turn.method, turn.other, places(turn), _extreme(turn.below), _extreme(turn.above))
        for curve in curves
        for turn in curve.turns
    ]
    return make_table(HEADERS, rows, set(HEADERS[:4])) if rows else None


def _extreme(extreme: Extreme) -> str:
    difference = f"{points(extreme.difference)} {points(extreme.new_prompts_low, extreme.new_prompts_high)}"
    return f"{difference.removesuffix(f' {NONE}')} at {at(extreme.threshold)}"
