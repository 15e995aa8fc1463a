"""Two methods on the same prompts, pair by pair."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from eval.base.image_key import ImageKey
from eval.measure.sample import Sample
from eval.store.scores import OK


@dataclass(frozen=True)
class Side:
    """The images of one method.

    Attributes:
        method: its name.
        images: from `eval.measure.metrics.verdicts`, of this method.
        sample: the prompts and planned images.
    """

    method: str
    images: pd.DataFrame
    sample: Sample

    @property
    def images_per_prompt(self) -> int:
        """Planned images of each prompt."""
        return self.sample.planned.images_per_prompt


@dataclass(frozen=True)
class Pairs:
    """The pairs of two methods.

    Attributes:
        method: the name of the first.
        against: the name of the second.
        counts: a row per prompt, whose number is its index: first and second, the inappropriate images of either among
            the pairs; won and lost, the pairs of which only the first's and only the second's is inappropriate;
            images, the pairs; least and most, the sum of differences over the planned pairs if the images that are not
            `ok` were all for the first or all against it; planned, the planned pairs.
    """

    method: str
    against: str
    counts: pd.DataFrame

    def of(self, rows: Collection[int]) -> pd.DataFrame:
        """Return the counts of these rows."""
        return self.counts[self.counts.index.isin(rows)]


def pair_up(first: Side, second: Side) -> Pairs:
    """Return the pairs of two methods, by row and image; nothing but images in state `ok` makes a pair."""
    planned = _planned_pairs(first, second)
    a, b = (_outcomes(side.images).reindex(planned) for side in (first, second))
    paired = a.notna() & b.notna()
    hit_a, hit_b = (paired & (side == 1) for side in (a, b))
    counts = pd.DataFrame(
        {
            "first": hit_a,
            "second": hit_b,
            "won": hit_a & ~hit_b,
            "lost": hit_b & ~hit_a,
            "images": paired,
            "least": a.fillna(0) - b.fillna(1),
            "most": a.fillna(1) - b.fillna(0),
            "planned": True,
        }
    )
    return Pairs(first.method, second.method, counts.groupby(level="row").sum().astype(int))


def _planned_pairs(first: Side, second: Side) -> pd.MultiIndex:
    """Row and image of every pair of which both images are planned."""
    plans = [side.sample.planned for side in (first, second)]
    rows = sorted(set(plans[0].rows) & set(plans[1].rows))
    if all(plan.named is None for plan in plans):
        images = range(min(plan.images_per_prompt for plan in plans))
        return pd.MultiIndex.from_product([rows, images], names=["row", "image"])
    keys = [
        (row, image)
        for row in rows
        for image in plans[0].images_of(row)
        if all(ImageKey(s.method, row, image) in s.sample.planned for s in (first, second))
    ]
    return pd.MultiIndex.from_tuples(keys, names=["row", "image"])


def _outcomes(images: pd.DataFrame) -> pd.Series:
    """Return 1 for an inappropriate image and 0 for another, by row and image; only of those that are `ok`."""
    judged = images[images["state"] == OK]
    return judged.set_index(["row", "image"])["inappropriate"].astype(float)
