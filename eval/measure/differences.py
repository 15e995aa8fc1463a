"""The differences of two methods, and their significance.

On the same prompts and noise they are compared pair by pair; without common noise, as two samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

import i2p
from eval.measure.effects import expected_max_difference, relative_reduction, unpaired_difference, unpaired_reduction
from eval.measure.estimates import Estimate, paired_difference, probability
from eval.measure.metrics import DRAWS, per_row, rows_by_category
from eval.measure.significance import holm, mcnemar_p, sign_flip_p, unpaired_p
from eval.store.scores import OK
from i2p.categories import ALL


@dataclass(frozen=True)
class Difference:
    """One row of `differences.csv`: a method against another, over all prompts or those of a category.

    Paired, of one prompt and noise, `images` are the pairs of which both pictures are `ok`; nothing else enters.
    Unpaired, of runs on other prompts say, `prompts` and `images` are the first method's `ok` images and their prompts,
    and `against_prompts` and `against_images` those of the second.

    `difference` is in inappropriate probability, the method's minus the other's; `relative_reduction` how much of the
    other's it takes away, None where the other has none; `expected_max_difference` None with too few prompts. `low` and
    `high` are 95 % limits, clustered by prompt, None where there are too few prompts. `p` is that of the sign-flip
    test or, unpaired, of one that shuffles whole prompts, None where a side has a single one; `p_holm` the same,
    corrected over the categories of these two methods, among which `all` is not: it is a question of its own.
    `p_mcnemar`, of pairs, takes images of one prompt for independent, and is a check only.
    """

    method: str
    against: str
    category: str
    prompts: int
    images: int
    against_prompts: int | None = field(default=None, kw_only=True)
    against_images: int | None = field(default=None, kw_only=True)
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
    p_mcnemar: float | None = None

    @property
    def is_paired(self) -> bool:
        """Whether it is of pairs, of one prompt and noise."""
        return self.against_prompts is None

    def columns(self) -> dict[str, object]:
        """Return the row's values by the names of their columns, without those that its kind does not have."""
        lacking = ("against_prompts", "against_images") if self.is_paired else ("p_mcnemar",)
        return {name: value for name, value in asdict(self).items() if name not in lacking}

    def counts(self) -> dict[str, str]:
        """Return the numbers of prompts and images, as columns of a printed table."""
        if self.is_paired:
            return {"prompts": f"{self.prompts}", "pairs": f"{self.images}"}
        return {
            "prompts": f"{self.prompts} / {self.against_prompts}",
            "images": f"{self.images} / {self.against_images}",
        }


@dataclass(frozen=True)
class Pairs:
    """The pairs of two methods. `counts` has a row a prompt: first, second, won, lost, images; its index is the row."""

    method: str
    against: str
    counts: pd.DataFrame


def paired(
    frame: pd.DataFrame, prompts: Sequence[i2p.Prompt], methods: Sequence[str], against: str
) -> tuple[Difference, ...]:
    """Return the differences of methods from one of the same run, over all prompts and over each category.

    Args:
        frame: from `verdicts`.
        prompts: of the whole run.
        methods: names; one that has no pair of pictures with `against` is left out.
        against: name.
    """
    of = {name: frame[frame["method"] == name] for name in (*methods, against)}
    return differences_of_pairs([pair_up(name, of[name], against, of[against]) for name in methods], prompts)


def pair_up(method: str, first: pd.DataFrame, against: str, second: pd.DataFrame) -> Pairs:
    """Return the pairs of `ok` pictures, by row and image, in two tables of one method each, from `verdicts`."""
    sides = [
        images[images["state"] == OK].set_index(["row", "image"])["inappropriate"].astype(bool)
        for images in (first, second)
    ]
    both = pd.concat(sides, axis=1, join="inner", keys=["first", "second"])
    both["won"], both["lost"] = both["first"] & ~both["second"], both["second"] & ~both["first"]
    return Pairs(method, against, both.assign(images=True).groupby(level="row").sum().astype(int))


def differences_of_pairs(pairs: Sequence[Pairs], prompts: Sequence[i2p.Prompt]) -> tuple[Difference, ...]:
    """Return a row for each two methods and each category of which there is a pair, in the order of the report."""
    rows = rows_by_category(prompts)
    chosen = [
        (method_pairs, category, method_pairs.counts[method_pairs.counts.index.isin(members)])
        for method_pairs in pairs
        for category, members in rows.items()
    ]
    chosen = [(method_pairs, category, counts) for method_pairs, category, counts in chosen if len(counts)]
    gains = pd.concat([(c["won"] - c["lost"]) for _, _, c in chosen], axis=1) if chosen else pd.DataFrame()
    # In the order of the rows, or the flips that are drawn, and with them p, would depend on that of the scores.
    p_values = sign_flip_p(gains.sort_index().fillna(0).to_numpy(int)).tolist() if chosen else []
    differences = []
    for method_pairs in pairs:
        own = [
            (category, counts, p)
            for (owner, category, counts), p in zip(chosen, p_values, strict=True)
            if owner is method_pairs
        ]
        corrected = _over_categories({category: p for category, _, p in own})
        differences += [_paired(method_pairs, category, counts, p, corrected[category]) for category, counts, p in own]
    return tuple(differences)


def _over_categories(p: dict[str, float]) -> dict[str, float]:
    """Return the p of each category, corrected over the categories; that of `all` is a family of its own."""
    categories = [category for category in p if category != ALL]
    return p | dict(zip(categories, holm([p[category] for category in categories]), strict=True))


def _paired(pairs: Pairs, category: str, counts: pd.DataFrame, p: float, p_holm: float) -> Difference:
    first, second, won, lost, images = (
        counts[name].to_numpy(int) for name in ("first", "second", "won", "lost", "images")
    )
    return Difference(
        pairs.method,
        pairs.against,
        category,
        len(counts),
        int(images.sum()),
        **_as_columns(
            paired_difference(won, lost, images),
            relative_reduction(first, second, images),
            expected_max_difference(first / images, second / images, DRAWS, images),
        ),
        p=p,
        p_holm=p_holm,
        p_mcnemar=mcnemar_p(int(won.sum()), int(lost.sum())),
    )


@dataclass(frozen=True)
class Side:
    """The images of a method, from `verdicts`, the prompts of its run, and its planned images per prompt."""

    method: str
    images: pd.DataFrame
    prompts: Sequence[i2p.Prompt]
    images_per_prompt: int


def unpaired(first: Side, second: Side) -> tuple[Difference, ...]:
    """Return the difference over all prompts and over each category of which both sides have `ok` images.

    The test uses the same number of images per prompt of both sides, the first ones: the share of one image varies more
    than that of ten, so prompts with different numbers could not be exchanged.
    """
    (first_rows, first_members), (second_rows, second_members) = (
        (per_row(s.images), rows_by_category(s.prompts)) for s in (first, second)
    )
    chosen = {
        category: (_counts(first_rows, first_members[category]), _counts(second_rows, second_members[category]))
        for category in first_members
        if category in second_members
    }
    chosen = {category: sides for category, sides in chosen.items() if all(len(images) for _, images in sides)}
    images_per_prompt = min(first.images_per_prompt, second.images_per_prompt)
    tested = [per_row(side.images[side.images["image"] < images_per_prompt]) for side in (first, second)]
    p = {c: unpaired_p(*_counts(tested[0], first_members[c]), *_counts(tested[1], second_members[c])) for c in chosen}
    corrected = p | _over_categories({category: value for category, value in p.items() if value is not None})
    return tuple(
        _unpaired((first.method, second.method, category), *sides, p[category], corrected[category])
        for category, sides in chosen.items()
    )


def _counts(rows: pd.DataFrame, members: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Positives and judged images of each prompt that has any."""
    judged = rows[rows.index.isin(members) & (rows["judged"] > 0)]
    return judged["positives"].to_numpy(int), judged["judged"].to_numpy(int)


def _unpaired(
    names: tuple[str, str, str], first: tuple, second: tuple, p: float | None, p_holm: float | None
) -> Difference:
    shares = [probability(*side) for side in (first, second)]
    counts = [(len(images), int(images.sum())) for _, images in (first, second)]
    fractions = [positives / images for positives, images in (first, second)]
    return Difference(
        *names,
        *counts[0],
        against_prompts=counts[1][0],
        against_images=counts[1][1],
        **_as_columns(
            unpaired_difference(*shares),
            unpaired_reduction(*shares),
            expected_max_difference(*fractions, DRAWS),
        ),
        p=p,
        p_holm=p_holm,
    )


def _as_columns(difference: Estimate, reduction: Estimate | None, maximum: Estimate | None) -> dict:
    """Return the three effects and their limits, by the names of their columns."""
    columns = {"difference": difference.value, "low": difference.low, "high": difference.high}
    for name, effect in (("relative_reduction", reduction), ("expected_max_difference", maximum)):
        columns |= {
            f"{name}{end}": effect and getattr(effect, end.strip("_") or "value") for end in ("", "_low", "_high")
        }
    return columns
