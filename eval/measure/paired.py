"""Two methods on the same prompts and noise, pair by pair: how much they differ, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

import i2p
from eval.measure.effects import Effect, expected_max_difference, relative_reduction
from eval.measure.estimates import Difference, paired_difference
from eval.measure.metrics import DRAWS, rows_by_category
from eval.measure.significance import holm, mcnemar_p, sign_flip_p
from eval.store.scores import OK
from i2p.categories import ALL


@dataclass(frozen=True)
class Paired:
    """One row of `differences.csv`: a method against another, over all prompts or those of a category.

    `images` are the pairs, of one prompt and noise, of which both pictures are `ok`; nothing else enters. `difference`
    is in inappropriate probability, the method's minus the other's; `relative_reduction` how much of the other's it
    takes away, None where the other has none; `expected_max_difference` None with too few prompts. `low` and `high`
    are 95 % limits, clustered by prompt, None where there are too few prompts. `p` is that of the sign-flip test;
    `p_holm` the same, corrected over the categories of these two methods, among which `all` is not: it is a question of
    its own. `p_mcnemar` takes images of one prompt for independent, and is a check only.
    """

    method: str
    against: str
    category: str
    prompts: int
    images: int
    difference: float
    low: float | None
    high: float | None
    relative_reduction: float | None
    relative_reduction_low: float | None
    relative_reduction_high: float | None
    expected_max_difference: float | None
    expected_max_difference_low: float | None
    expected_max_difference_high: float | None
    p: float
    p_holm: float
    p_mcnemar: float

    def counts(self) -> dict[str, str]:
        """What entered, as columns for people."""
        return {"prompts": f"{self.prompts}", "pairs": f"{self.images}"}


@dataclass(frozen=True)
class Pairs:
    """The pairs of two methods. `counts` has a row a prompt: first, second, won, lost, images; its index is the row."""

    method: str
    against: str
    counts: pd.DataFrame


def paired(
    frame: pd.DataFrame, prompts: Sequence[i2p.Prompt], methods: Sequence[str], against: str
) -> tuple[Paired, ...]:
    """Return the differences of methods from one of the same run, over all prompts and over each category.

    Args:
        frame: from `verdicts`.
        prompts: of the whole run.
        methods: names; one that has no pair of pictures with `against` is left out.
        against: name.
    """
    of = {name: frame[frame["method"] == name] for name in (*methods, against)}
    return differences([pair_up(name, of[name], against, of[against]) for name in methods], prompts)


def pair_up(method: str, first: pd.DataFrame, against: str, second: pd.DataFrame) -> Pairs:
    """Return the pairs of `ok` pictures, by row and image, in two tables of one method each, from `verdicts`."""
    sides = [
        images[images["state"] == OK].set_index(["row", "image"])["inappropriate"].astype(bool)
        for images in (first, second)
    ]
    both = pd.concat(sides, axis=1, join="inner", keys=["first", "second"])
    both["won"], both["lost"] = both["first"] & ~both["second"], both["second"] & ~both["first"]
    return Pairs(method, against, both.assign(images=True).groupby(level="row").sum().astype(int))


def differences(pairs: Sequence[Pairs], prompts: Sequence[i2p.Prompt]) -> tuple[Paired, ...]:
    """Return a row for each two methods and each category of which there is a pair, in the order of the report."""
    rows = rows_by_category(prompts)
    chosen = [
        (one, category, one.counts[one.counts.index.isin(members)])
        for one in pairs
        for category, members in rows.items()
    ]
    chosen = [(one, category, counts) for one, category, counts in chosen if len(counts)]
    gains = pd.concat([(c["won"] - c["lost"]) for _, _, c in chosen], axis=1) if chosen else pd.DataFrame()
    # In the order of the rows, or the flips that are drawn, and with them p, would depend on that of the scores.
    p_values = sign_flip_p(gains.sort_index().fillna(0).to_numpy(int)).tolist() if chosen else []
    found = []
    for one in pairs:
        mine = [
            (category, counts, p) for (other, category, counts), p in zip(chosen, p_values, strict=True) if other is one
        ]
        corrected = over_categories({category: p for category, _, p in mine})
        found += [_paired(one, category, counts, p, corrected[category]) for category, counts, p in mine]
    return tuple(found)


def over_categories(p: dict[str, float]) -> dict[str, float]:
    """Return the p of each category, corrected over the categories; that of `all` is a family of its own."""
    categories = [category for category in p if category != ALL]
    return p | dict(zip(categories, holm([p[category] for category in categories]), strict=True))


def _paired(pairs: Pairs, category: str, counts: pd.DataFrame, p: float, p_holm: float) -> Paired:
    first, second, won, lost, images = (
        counts[name].to_numpy(int) for name in ("first", "second", "won", "lost", "images")
    )
    return Paired(
        pairs.method,
        pairs.against,
        category,
        len(counts),
        int(images.sum()),
        **as_columns(
            paired_difference(won, lost, images),
            relative_reduction(first, second, images),
            expected_max_difference(first / images, second / images, DRAWS, images),
        ),
        p=p,
        p_holm=p_holm,
        p_mcnemar=mcnemar_p(int(won.sum()), int(lost.sum())),
    )


def as_columns(difference: Difference | Effect, reduction: Effect | None, most: Effect | None) -> dict:
    """Return the three effects and their limits, by the names of their columns."""
    columns = {"difference": difference.value, "low": difference.low, "high": difference.high}
    for name, effect in (("relative_reduction", reduction), ("expected_max_difference", most)):
        columns |= {
            f"{name}{end}": effect and getattr(effect, end.strip("_") or "value") for end in ("", "_low", "_high")
        }
    return columns
