"""Which expected maxima people are shown: those of several images per prompt, in columns that have any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from eval.measure.differences import Difference
from eval.measure.expected_maximum import DRAWS
from eval.measure.metrics import Metrics

Cell = TypeVar("Cell")
# A prompt's largest share is 0 or 1 then: the maximum of N prompts with share p is 1 − (1 − p)^N or so.
SINGLE = (
    f"Expected maximum: left out with one image per prompt, since it is then the chance that any of {DRAWS} images is "
    "inappropriate, which follows from the probability; the CSV file has it."
)
MARKED = "Expected maximum: * marks numbers in which some prompts have fewer images."


def shown_maxima(metrics: Sequence[Metrics]) -> tuple[Metrics, ...]:
    """Return rows without expected maxima of one image per prompt, which are in files for machines alone."""
    return tuple(replace(m, **dict.fromkeys(_of_metrics(m))) if m.images_per_prompt == 1 else m for m in metrics)


def shown_differences(differences: Sequence[Difference], images_per_prompt: int) -> tuple[Difference, ...]:
    """Return rows without differences of expected maxima of one image per prompt."""
    if images_per_prompt != 1:
        return tuple(differences)
    names = ("expected_max_difference", "expected_max_difference_low", "expected_max_difference_high")
    return tuple(replace(d, **dict.fromkeys(names)) for d in differences)


def with_column(rows: Sequence[Metrics | Difference], name: str, cells: Mapping[str, Cell]) -> Mapping[str, Cell]:
    """Return cells of a table's row, none where no row of the table has a number of this name."""
    return cells if any(getattr(row, name) is not None for row in rows) else {}


def _of_metrics(m: Metrics) -> list[str]:
    return [name for name in vars(m) if name.startswith("expected_max")]
