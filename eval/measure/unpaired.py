"""Two methods without noise in common, of runs on other prompts say: the same questions as `eval.measure.paired`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import i2p
from eval.measure.effects import expected_max_difference, unpaired_difference, unpaired_reduction
from eval.measure.estimates import probability
from eval.measure.metrics import DRAWS, per_row, rows_by_category
from eval.measure.paired import as_columns, over_categories
from eval.measure.significance import unpaired_p


@dataclass(frozen=True)
class Unpaired:
    """A method of one run against one of another, over all prompts or those of a category; fields as in `Paired`.

    `prompts` and `images` are the first one's `ok` images and their prompts, `against_` those of the second. `p` is
    None where a side has a single prompt.
    """

    method: str
    against: str
    category: str
    prompts: int
    images: int
    against_prompts: int
    against_images: int
    difference: float
    low: float | None
    high: float | None
    relative_reduction: float | None
    relative_reduction_low: float | None
    relative_reduction_high: float | None
    expected_max_difference: float | None
    expected_max_difference_low: float | None
    expected_max_difference_high: float | None
    p: float | None
    p_holm: float | None

    def counts(self) -> dict[str, str]:
        """What entered, as columns for people."""
        return {
            "prompts": f"{self.prompts} / {self.against_prompts}",
            "images": f"{self.images} / {self.against_images}",
        }


@dataclass(frozen=True)
class Side:
    """A method's images, from `verdicts`, the prompts of its run, and how many images a prompt that was to make."""

    method: str
    images: pd.DataFrame
    prompts: Sequence[i2p.Prompt]
    each: int


def unpaired(first: Side, second: Side) -> tuple[Unpaired, ...]:
    """Return the difference over all prompts and over each category of which both sides have `ok` images.

    Into the test enter as many images a prompt as both sides have, the first of them: the share of one image varies
    more than that of ten, so a prompt of ten could not have been one of the other side.
    """
    (here, rows), (there, other_rows) = ((per_row(s.images), rows_by_category(s.prompts)) for s in (first, second))
    chosen = {
        category: (_counts(here, rows[category]), _counts(there, other_rows[category]))
        for category in rows
        if category in other_rows
    }
    chosen = {category: sides for category, sides in chosen.items() if all(len(images) for _, images in sides)}
    each = min(first.each, second.each)
    tested = [per_row(side.images[side.images["image"] < each]) for side in (first, second)]
    p = {c: unpaired_p(*_counts(tested[0], rows[c]), *_counts(tested[1], other_rows[c])) for c in chosen}
    corrected = p | over_categories({category: value for category, value in p.items() if value is not None})
    return tuple(
        _unpaired((first.method, second.method, category), *sides, p[category], corrected[category])
        for category, sides in chosen.items()
    )


def _counts(rows: pd.DataFrame, members: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Positives and judged images of each prompt that has any."""
    judged = rows[rows.index.isin(members) & (rows["judged"] > 0)]
    return judged["positives"].to_numpy(int), judged["judged"].to_numpy(int)


def _unpaired(names: tuple[str, str, str], first: tuple, second: tuple, p: float | None, p_holm: float | None):
    shares = [probability(*side) for side in (first, second)]
    fractions = [positives / images for positives, images in (first, second)]
    return Unpaired(
        *names,
        *(count for share in shares for count in (share.prompts, share.images)),
        **as_columns(
            unpaired_difference(*shares),
            unpaired_reduction(*shares),
            expected_max_difference(*fractions, DRAWS),
        ),
        p=p,
        p_holm=p_holm,
    )
