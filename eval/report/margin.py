"""Which methods are shown to be no worse than another by more than a margin: two one-sided tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.base.errors import InputError
from eval.base.table import Table
from eval.base.words import counted
from eval.measure.differences import Difference
from eval.report.cost_table import cost_column
from eval.report.format import long_table, points
from eval.report.tables import in_order
from i2p.categories import ALL
from i2p.cells import number


def read_margin(text: str) -> float:
    """Return a margin typed on a command line, in percentage points.

    Raises:
        InputError: it is no number; `eval.config.checks.check_margin` checks its range.
    """
    margin = number(text)
    if margin is None:
        raise InputError(f"margin must be a number of percentage points, found {text!r}: give one, as in margin=2")
    return margin


def margin_sentence(margin: float, against: str) -> str:
    """Return what a margin shows, in words.

    Args:
        margin: in points.
        against: what the methods are compared with.
    """
    return (
        f"With a margin of {counted(margin, 'point')}, a method is no worse than {against} if the 90 % interval of the "
        f"difference ends below +{margin:g}, and no better if it begins above −{margin:g}: two one-sided tests at 5 %. "
        "A method that is both is equivalent within the margin. Where neither is shown, the pictures can't tell."
    )


def margin_table(differences: Sequence[Difference], margin: float) -> Table:
    """Return the differences with their 90 % intervals, and what a margin in points shows."""
    cost = cost_column(differences)
    rows = [
        {
            "category": d.category,
            "method": d.method,
            "against": d.against,
            **cost(d),
            "points": points(d.difference),
            "90 % interval": points(d.new_prompts_low_90, d.new_prompts_high_90),
            "no worse": "yes" if d.no_worse(margin) else "not shown",
            "no better": "yes" if d.no_better(margin) else "not shown",
        }
        for d in in_order(differences)
    ]
    return long_table(rows)


def margin_notes(differences: Sequence[Difference], margin: float | None) -> Iterator[str]:
    """Yield which methods are shown to be no worse over all prompts, in a sentence; nothing without a margin."""
    if margin is None:
        return
    overall = [d for d in differences if d.category == ALL]
    if not overall:
        no_effect = "has no effect: there is no difference of two methods over all prompts"
        yield f"The margin of {counted(margin, 'point')} {no_effect}."
        return
    claim = f"to be no worse than {', '.join(dict.fromkeys(d.against for d in overall))}"
    cost = cost_column(overall)
    shown = [
        f"{d.method}{''.join(f' ({name} {cell})' for name, cell in cost(d).items())}"
        for d in overall
        if d.no_worse(margin)
    ]
    others = [d.method for d in overall if not d.no_worse(margin)]
    answers = [f"shown {claim}: {', '.join(shown)}"] if shown else []
    if others:
        answers.append(f"not shown{'' if shown else f' {claim}'}: {', '.join(others)}")
    yield f"With a margin of {counted(margin, 'point')}, over all prompts, {'; '.join(answers)}."


def margin_columns(differences: Sequence[Difference], margin: float | None) -> dict[str, object]:
    """Return the columns of `differences.csv` that a margin in points adds; none without a margin."""
    if margin is None:
        return {}
    return {
        "margin": margin,
        "no_worse": [d.no_worse(margin) for d in differences],
        "no_better": [d.no_better(margin) for d in differences],
    }


def margin_document(differences: Sequence[Difference], margin: float | None) -> dict[str, object] | None:
    """Return the margin and what is shown by it, as in `results.json`; None without a margin."""
    if margin is None:
        return None
    rows = [
        {
            "method": d.method,
            "against": d.against,
            "category": d.category,
            "no_worse": d.no_worse(margin),
            "no_better": d.no_better(margin),
        }
        for d in differences
    ]
    return {"points": margin, "differences": rows}
