"""The images of several runs as those of one: columns for methods, the prompts that all have, as many images each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

import i2p
from eval.base.image_key import ImageKey
from eval.compare.members import Column, Member
from eval.compare.prompts import Common
from eval.store.planned import PlannedImages


@dataclass(frozen=True)
class Joint:
    """An `eval.measure.sample.Sample` of the columns of one run or several.

    Attributes:
        prompts: that the columns share.
        planned: the images of every column, whose heading is the name of its method.
        groups: row → number of its group of prompts that are alike.
        frame: the verdicts on these images, as from `eval.measure.metrics.verdicts`.
        rows: of each run that takes part, by its place among all, row of `prompts` → its own row.
        shared: row and number of the images that every run has; None where all have as many of every prompt.
    """

    prompts: tuple[i2p.Prompt, ...]
    planned: PlannedImages
    groups: Mapping[int, int]
    frame: pd.DataFrame
    rows: Mapping[int, Mapping[int, int]]
    shared: frozenset[tuple[int, int]] | None = None


def join(members: Sequence[Member], columns: Sequence[Column], common: Common) -> Joint:
    """Return the images of all columns on the prompts in common, as many of each as every run has, the first ones."""
    return _joint(members, columns, common.prompts, dict(enumerate(common.rows)))


def alone(members: Sequence[Member], columns: Sequence[Column], place: int) -> Joint:
    """Return all images of the columns of the run at a place."""
    prompts = members[place].stored.prompts
    own = [column for column in columns if column.member == place]
    return _joint(members, own, prompts, {place: {prompt.row: prompt.row for prompt in prompts}})


def _joint(
    members: Sequence[Member],
    columns: Sequence[Column],
    prompts: tuple[i2p.Prompt, ...],
    rows: Mapping[int, Mapping[int, int]],
) -> Joint:
    first = members[min(rows)].stored
    images = min(members[place].stored.planned.images_per_prompt for place in rows)
    order = tuple(prompt.row for prompt in prompts)
    frame = pd.concat(
        [_images(members[column.member].frame, column, rows[column.member], images) for column in columns],
        ignore_index=True,
    )
    named = shared = None
    if any(members[place].stored.named is not None for place in rows):
        named, shared = _shared(members, columns, rows, images)
        frame = frame[[key in shared for key in zip(frame["row"], frame["image"], strict=True)]].reset_index(drop=True)
    planned = PlannedImages(tuple(column.heading for column in columns), order, images, named)
    return Joint(prompts, planned, {row: first.groups[row] for row in order}, frame, rows, shared)


def _shared(
    members: Sequence[Member], columns: Sequence[Column], rows: Mapping[int, Mapping[int, int]], images: int
) -> tuple[frozenset[ImageKey], frozenset[tuple[int, int]]]:
    """Return the planned images of which every run has one of the same prompt and number, and these by row and number.

    The table of a folder may name more images of one prompt than of another.
    """
    planned = [(c.member, _named(members, c, rows[c.member], images)) for c in columns]
    of_runs = ({key[1:] for place, keys in planned if place == member for key in keys} for member in rows)
    shared = frozenset.intersection(*map(frozenset, of_runs))
    return frozenset(key for _, keys in planned for key in keys if key[1:] in shared), shared


def _named(members: Sequence[Member], column: Column, rows: Mapping[int, int], images: int) -> list[ImageKey]:
    planned = members[column.member].stored.planned
    return [
        ImageKey(column.heading, row, image)
        for row, own in rows.items()
        for image in range(images)
        if ImageKey(column.method, own, image) in planned
    ]


def _images(frame: pd.DataFrame, column: Column, rows: Mapping[int, int], images: int) -> pd.DataFrame:
    """Return the verdicts on a column's images, by the rows of the comparison."""
    row_of = {mine: row for row, mine in rows.items()}
    shared = frame["row"].isin(row_of.keys())  # beforehand: beside NaN, numbers of rows would be rounded to floats
    own = frame[(frame["method"] == column.method) & (frame["image"] < images) & shared]
    return own.assign(method=column.heading, row=own["row"].map(row_of))
