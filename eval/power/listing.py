"""The prompts that a planned run can draw, their groups, and which of them are of a category."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import i2p
from eval.base.command import expanded
from eval.base.words import counted
from eval.config.keys import PROMPTS, as_keys
from eval.power.options import Options
from i2p.categories import ALL, in_order, key
from i2p.groups import grouped, numbered


@dataclass(frozen=True)
class Listing:
    """The prompts that a run can draw.

    Attributes:
        name: of the list.
        prompts: those of the chosen categories.
        groups: row → number of its group.
        rows: of all these prompts, and of each category that is planned for.
    """

    name: str
    prompts: Sequence[i2p.Prompt]
    groups: Mapping[int, int]
    rows: Mapping[str, Sequence[int]]


def read_list(o: Options) -> Listing:
    """Read the prompts that a run can draw.

    Raises:
        InputError: there is no such list, or none of the categories.
    """
    with as_keys(PROMPTS):
        path = None if o.path is None else expanded("prompts.path", o.path)
        source = grouped(i2p.read_prompts(path=path, revision=o.revision))
    prompts = chosen_prompts(source.prompts, o.categories)
    rows = rows_of_parts(prompts, o.categories)
    return Listing("I2P" if source.benchmark else o.path, prompts, numbered(source.prompts), rows)


def chosen_prompts(prompts: Sequence[i2p.Prompt], categories: Sequence[str] | None) -> list[i2p.Prompt]:
    """Return the prompts of a planned run: those of some categories, or all.

    Raises:
        InputError: no prompt has such a category.
    """
    with as_keys({}):
        return i2p.select(prompts, i2p.Selection(categories=categories))


def rows_of_parts(prompts: Sequence[i2p.Prompt], categories: Sequence[str] | None) -> dict[str, list[int]]:
    """Return the rows of each category that is planned for, and at last of all prompts; a single one is all prompts."""
    rows = {}
    spelled = None if categories is None else set(map(key, categories))
    for name in in_order(name for p in prompts for name in p.categories):
        if spelled is None or key(name) in spelled:
            rows[name] = [p.row for p in prompts if name in p.categories]
    alone = categories is not None and len(rows) == 1
    return rows if alone else {**rows, ALL: [p.row for p in prompts]}


def group_numbers(rows: Iterable[int], groups: Mapping[int, int]) -> np.ndarray:
    """Return the number of the group of each row, from 0 up without gaps."""
    return np.unique([groups[row] for row in rows], return_inverse=True)[1]


def in_groups(prompts: Sequence[i2p.Prompt], groups: Mapping[int, int]) -> str:
    """Return in words how many prompts there are, in how many groups."""
    count = len({groups[prompt.row] for prompt in prompts})
    return f"{counted(len(prompts), 'prompt')} in {counted(count, 'group')} of near-duplicates"
