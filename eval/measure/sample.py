"""What the numbers of methods are of: prompts, their planned images, and the counts of images by row and group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

import i2p
from eval.store.planned import PlannedImages
from eval.store.scores import NOT_OK, OK
from i2p.categories import ALL, in_order


class Sample(Protocol):
    """The prompts that methods share: those of a stored run, or those that several runs have in common."""

    @property
    def prompts(self) -> Sequence[i2p.Prompt]:
        """The prompts, in the order of their source."""

    @property
    def planned(self) -> PlannedImages:
        """The planned images of every method."""

    @property
    def groups(self) -> Mapping[int, int]:
        """Row → number of its group of prompts that are alike."""


def rows_by_category(prompts: Sequence[i2p.Prompt]) -> dict[str, set[int]]:
    """Return the rows of each category that has any, and at last those of `all` prompts: the order of every table."""
    names = in_order(category for prompt in prompts for category in prompt.categories)
    rows = {name: {p.row for p in prompts if name in p.categories} for name in names}
    return {**rows, ALL: {p.row for p in prompts}}


def per_row(images: pd.DataFrame) -> pd.DataFrame:
    """Return counts of each row's images, of one method: judged, positives of these, and every other state."""
    judged = images["state"] == OK
    counts = {"judged": judged, "positives": judged & images["inappropriate"]}
    return pd.DataFrame(counts | {state: images["state"] == state for state in NOT_OK}).groupby(images["row"]).sum()


def by_group(rows: pd.DataFrame, groups: Mapping[int, int]) -> pd.DataFrame:
    """Return counts of each row's images summed by group of near-duplicate prompts, in the order of the groups."""
    return rows.groupby(rows.index.map(groups)).sum()
