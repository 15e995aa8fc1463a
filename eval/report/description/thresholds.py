"""Does the threshold decide? The answer in sentences, and why a definition has no curve."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from eval.base.words import first_of
from eval.measure.definitions import ARGMAX, Definition
from eval.measure.thresholds import Curve, Turn
from eval.report.format import number
from eval.report.report import Report

QUESTION = "Does the threshold decide?"
SCALES = {"q16": "Q16's margin", "nudenet": "NudeNet's score"}
NAMED = 3  # pairs of methods in a sentence; the table has them all


def threshold_sentences(report: Report) -> list[str]:
    """Return whether the order of a report's methods depends on a threshold, and which judge has no curve."""
    return [
        *_orders(report.thresholds, report.methods),
        *_without_curve(report.by_definition.counted, report.stored.judges),
    ]


def threshold_meaning(report: Report) -> str:
    """Return what moves along the curves of a report and what stays, in sentences for people who see the figure."""
    both = {"q16", "nudenet"} <= report.by_definition.counted.judges
    sentences = [
        f"Over all prompts, one judge's threshold moves{' while the other judge keeps its rule' if both else ''}.",
        "At the dashed line, which is the threshold of this report, the numbers are those above.",
    ]
    if any(curve.judge == "q16" for curve in report.thresholds):
        sentences.append("Q16's margin is its logit for inappropriate minus the other: 0 is a tie, 2.2 is p = 0.9.")
    return " ".join([*sentences, "The file thresholds.csv has the numbers of every category."])


def at(threshold: float) -> str:
    """Return a threshold as text."""
    return number(threshold, ".4g")


def own_rule(curve: Curve, definition: Definition) -> str:
    """Return by what threshold the definition counts, in a few words."""
    if curve.judge == "q16":
        return "larger logit" if definition.q16 == ARGMAX else f"p ≥ {definition.q16:g}"
    if definition.labels.threshold == 0:
        return "any score"
    return f"{'≥' if definition.labels.inclusive else '>'} {definition.labels.threshold:g}"


def _orders(curves: Sequence[Curve], methods: Collection[str]) -> Iterator[str]:
    if curves and not any(row.images for row in curves[0].rows):
        yield "No picture was judged, so the methods have no order."
        return
    if len(methods) == 1 and curves:
        yield "The run has one method, so there is no order that could change."
        return
    for curve in curves:
        if curve.turns:
            yield f"Along {_scale(curve)}, {_turns(curve.turns)}."
    if stable := [curve for curve in curves if not curve.turns]:
        ranges = [f"all {len(curve.thresholds)} thresholds of {_scale(curve)}" for curve in stable]
        differ = any(curve.apart for curve in stable)
        order = "The order of the methods is the same, ties aside," if differ else "All methods have the same share"
        yield f"{order} at {' and at '.join(ranges)}."


def _scale(curve: Curve) -> str:
    return f"{SCALES[curve.judge]} from {at(curve.thresholds[0])} to {at(curve.thresholds[-1])}"


def _turns(turns: Sequence[Turn]) -> str:
    clear = [turn for turn in turns if turn.is_beyond_chance]
    ordered = [*clear, *(turn for turn in turns if not turn.is_beyond_chance)]
    pairs = first_of((f"{t.method} and {t.other} change places {places(t)}" for t in ordered), NAMED)
    if not clear:
        return f"{pairs}; chance may explain this, since no difference has an interval without 0 in both orders"
    which = "" if len(clear) == len(turns) else f" for {len(clear)} of these {len(turns)} pairs"
    return f"{pairs}; the interval of the difference excludes 0 in both orders{which}"


def places(turn: Turn) -> str:
    """Return between which thresholds two methods change places."""
    return first_of((f"between {at(low)} and {at(high)}" for low, high in turn.places), NAMED, " and ")


def _without_curve(definition: Definition, judges: Collection[str]) -> Iterator[str]:
    if not judges:
        yield "There is no curve, since the verdicts are the dataset's own and come without raw scores."
    elif definition.rule is not None:
        yield (
            f"There is no curve, since the definition {definition.name} is a rule of the judge {definition.judge}, "
            "which has no threshold that could be replaced."
        )
    elif definition.last_above is not None:
        yield (
            f"NudeNet's score has no curve, since the definition {definition.name} looks at the last detection of each "
            "label, so that not the largest score decides."
        )
