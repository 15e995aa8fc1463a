"""Which methods are shown to be no worse than another by more than a margin, for files."""

from __future__ import annotations

from collections.abc import Sequence

from eval.measure.differences import Difference


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
