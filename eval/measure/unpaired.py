"""The differences of methods that have no noise in common, as those of two independent samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from eval.measure.agreement import agreeing
from eval.measure.differences import ONE_SIDED, Difference, effects
from eval.measure.effects import unpaired_difference, unpaired_reduction
from eval.measure.estimates import Estimate, probability
from eval.measure.expected_maximum import unpaired_expected_max_difference
from eval.measure.metrics import bounds_of
from eval.measure.pairs import Side
from eval.measure.repetition import same_prompts
from eval.measure.sample import by_group, per_row, rows_by_category
from eval.measure.significance import LEVEL, holm, unpaired_p


def unpaired(sides: Sequence[tuple[Side, Side]]) -> tuple[Difference, ...]:
    """Return the differences over all prompts and over each category of which both sides have `ok` images.

    The test uses the same number of images per prompt of both sides, the first ones: the share of one image varies more
    than that of ten, so prompts with different numbers could not be exchanged. An expected maximum depends on that
    number, so where it differs, between sides or prompts, none is compared.

    Args:
        sides: two methods each, all of which are one family of tests.
    """
    differences = [difference for first, second in sides for difference in _differences(first, second)]
    tested = [difference for difference in differences if difference.p is not None]
    adjusted = iter(holm([difference.p for difference in tested]))
    return tuple(d if d.p is None else replace(d, p_adjusted=next(adjusted)) for d in differences)


class _Sample:
    """The counts of one side's `ok` images by row."""

    def __init__(self, side: Side, images: pd.DataFrame, members: set[int]):
        rows = per_row(images)
        self.rows = rows[rows.index.isin(members) & (rows["judged"] > 0)]
        self.groups: Mapping[int, int] = side.sample.groups
        self.planned = side.sample.planned.count(side.method, members)

    @cached_property
    def clustered(self) -> tuple[np.ndarray, np.ndarray]:
        """Positives and judged images of each group."""
        return _counts(by_group(self.rows, self.groups))

    @property
    def bounds(self) -> tuple[float, float]:
        """The share of all planned images if none, or all, of those that are not `ok` are inappropriate."""
        return bounds_of(*(int(counts.sum()) for counts in _counts(self.rows)), self.planned)


def _counts(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["positives"].to_numpy(int), rows["judged"].to_numpy(int)


def _differences(first: Side, second: Side) -> list[Difference]:
    members = [rows_by_category(side.sample.prompts) for side in (first, second)]
    images_per_prompt = min(first.images_per_prompt, second.images_per_prompt)
    differences = []
    for category in (name for name in members[0] if name in members[1]):
        samples = [_Sample(s, s.images, rows[category]) for s, rows in zip((first, second), members, strict=True)]
        if not all(len(sample.rows) for sample in samples):
            continue
        tested = [
            _Sample(s, s.images[s.images["image"] < images_per_prompt], rows[category])
            for s, rows in zip((first, second), members, strict=True)
        ]
        p = unpaired_p(*(counts for sample in tested for counts in sample.clustered))
        comparable = first.images_per_prompt == second.images_per_prompt and all(
            sample.planned == images_per_prompt * len(rows[category])
            for sample, rows in zip(samples, members, strict=True)
        )
        differences.append(_difference((first.method, second.method, category), *samples, p, comparable=comparable))
    return differences


def _difference(
    names: tuple[str, str, str], first: _Sample, second: _Sample, p: float | None, *, comparable: bool
) -> Difference:
    def shares(confidence: float) -> list[Estimate]:
        return [probability(*sample.clustered, confidence) for sample in (first, second)]

    ours, theirs = shares(1 - LEVEL)
    half_image = 0.5 / min(int(sample.rows["judged"].sum()) for sample in (first, second))
    reduction = unpaired_reduction(ours, theirs)
    if reduction is not None:
        reduction = agreeing(p, reduction, half_image / theirs.value)
    repeated = [same_prompts(*_counts(sample.rows)) for sample in (first, second)]
    (first_hits, first_images), (second_hits, second_images) = (_counts(sample.rows) for sample in (first, second))
    groups = tuple(sample.rows.index.map(sample.groups).to_numpy() for sample in (first, second))
    return Difference(
        *names,
        len(first.rows),
        len(first.clustered[0]),
        int(first_images.sum()),
        against_prompts=len(second.rows),
        against_groups=len(second.clustered[0]),
        against_images=int(second_images.sum()),
        **effects(
            agreeing(p, unpaired_difference(ours, theirs), half_image),
            None if None in repeated else unpaired_difference(*repeated),
            unpaired_difference(*shares(ONE_SIDED)),
            _bounds(first, second),
            reduction,
            unpaired_expected_max_difference(first_hits / first_images, second_hits / second_images, groups)
            if comparable
            else None,
        ),
        p=p,
        p_adjusted=p,
    )


def _bounds(first: _Sample, second: _Sample) -> tuple[float, float] | None:
    """Return the least and most of the difference over all planned images; None where all of them are `ok`."""
    if all(sample.rows["judged"].sum() == sample.planned for sample in (first, second)):
        return None
    return first.bounds[0] - second.bounds[1], first.bounds[1] - second.bounds[0]
