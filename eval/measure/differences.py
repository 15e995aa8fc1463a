"""The differences of methods on the same prompts and noise, pair by pair, tested as one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

import i2p
from eval.base.flat import flat
from eval.measure.agreement import agreeing, reaching_zero
from eval.measure.cost import NO_COST, Cost
from eval.measure.effects import relative_reduction
from eval.measure.estimates import Estimate, paired_difference
from eval.measure.expected_maximum import paired_expected_max_difference
from eval.measure.metrics import limits
from eval.measure.pairs import Pairs, Side, pair_up
from eval.measure.repetition import same_prompts_difference
from eval.measure.sample import Sample, by_group, rows_by_category
from eval.measure.significance import LEVEL, mcnemar_p, sign_flips

ONE_SIDED = 1 - 2 * LEVEL  # the confidence of an interval whose limits are each a one-sided test at 5 %
UNPAIRED_ONLY = ("against_prompts", "against_groups", "against_images")
PAIRED_ONLY = ("simultaneous_low", "simultaneous_high", "p_mcnemar")


@dataclass(frozen=True)
class Difference:
    """One row of `differences.csv`: a method against another, over all prompts or those of a category.

    Paired, of one prompt and noise, `images` are the pairs of which both pictures are `ok`; nothing else enters.
    Unpaired, of runs on other prompts say, `prompts`, `groups` and `images` are of the first method's `ok` images, and
    those with `against_` of the second's. Fractions; intervals are of 95 % unless their name says otherwise, and None
    where there are too few prompts.

    Attributes:
        difference: in inappropriate probability, the method's minus the other's.
        new_prompts_low, new_prompts_high: for new prompts like these, clustered by group. It excludes 0 exactly where
            `p` is at most 0.05.
        same_prompts_low, same_prompts_high: for the same prompts and new noise; None with one image per prompt.
        simultaneous_low, simultaneous_high: as `new_prompts`, such that those of all methods and categories hold
            together.
        new_prompts_low_90, new_prompts_high_90: of 90 %, whose limits are one-sided tests at 5 %.
        bound_low, bound_high: the difference over all planned pairs if the images that are not `ok` were all against
            the method, or all for it; None where every planned pair has two `ok` images. The difference can lie
            outside: of a pair with one `ok` image it knows nothing, while the bounds have that image.
        relative_reduction: how much of the other's probability the method takes away; None where that is 0.
        expected_max_difference: None with too few prompts, and where the sides have other numbers of images per prompt.
        p: of the sign-flip test or, unpaired, of one that shuffles whole groups; None where a side has a single one.
        p_adjusted: for all methods and categories as one family.
        p_mcnemar: takes the images of a prompt for independent, and is a check only.
        cost: what safety costs, whose values are columns of their own.
    """

    method: str
    against: str
    category: str
    prompts: int
    groups: int
    images: int
    against_prompts: int | None = field(default=None, kw_only=True)
    against_groups: int | None = field(default=None, kw_only=True)
    against_images: int | None = field(default=None, kw_only=True)
    difference: float
    new_prompts_low: float | None
    new_prompts_high: float | None
    same_prompts_low: float | None
    same_prompts_high: float | None
    simultaneous_low: float | None = field(default=None, kw_only=True)
    simultaneous_high: float | None = field(default=None, kw_only=True)
    new_prompts_low_90: float | None
    new_prompts_high_90: float | None
    bound_low: float | None
    bound_high: float | None
    relative_reduction: float | None
    relative_reduction_low: float | None
    relative_reduction_high: float | None
    expected_max_difference: float | None
    expected_max_difference_low: float | None
    expected_max_difference_high: float | None
    p: float | None
    p_adjusted: float | None
    p_mcnemar: float | None = None
    cost: Cost = field(default=NO_COST, kw_only=True)

    @property
    def new_prompts(self) -> tuple[float | None, float | None]:
        """The limits for new prompts like these."""
        return self.new_prompts_low, self.new_prompts_high

    def no_worse(self, margin: float) -> bool:
        """Return whether a one-sided test at 5 % shows that the method is worse by less than `margin` points."""
        return self.new_prompts_high_90 is not None and self.new_prompts_high_90 < margin / 100

    def no_better(self, margin: float) -> bool:
        """Return whether a one-sided test at 5 % shows that the method is better by less than `margin` points."""
        return self.new_prompts_low_90 is not None and self.new_prompts_low_90 > -margin / 100

    @property
    def is_paired(self) -> bool:
        """Whether it is of pairs, of one prompt and noise."""
        return self.against_prompts is None

    def columns(self) -> dict[str, object]:
        """Return the row's values by the names of their columns, without those that its kind does not have."""
        lacking = UNPAIRED_ONLY if self.is_paired else PAIRED_ONLY
        return {name: value for name, value in flat(self).items() if name not in lacking}

    def counts(self) -> dict[str, str]:
        """Return the numbers of prompts and images, as columns of a printed table."""
        if self.is_paired:
            return {"prompts": f"{self.prompts}", "pairs": f"{self.images}"}
        prompts, images = f"{self.prompts} / {self.against_prompts}", f"{self.images} / {self.against_images}"
        return {"prompts": prompts, "images": images}


def paired(sample: Sample, frame: pd.DataFrame, methods: Sequence[str], against: str) -> tuple[Difference, ...]:
    """Return the differences of methods from one on the same prompts, over all of these and over each category.

    Args:
        sample: the prompts and planned images.
        frame: as from `verdicts`.
        methods: names; one that has no pair of pictures with `against` is left out.
        against: name.
    """
    sides = {name: Side(name, frame[frame["method"] == name], sample) for name in (*methods, against)}
    pairs = [pair_up(sides[name], sides[against]) for name in methods]
    return differences_of_pairs(pairs, sample.prompts, sample.groups)


def differences_of_pairs(
    pairs: Sequence[Pairs], prompts: Sequence[i2p.Prompt], groups: Mapping[int, int]
) -> tuple[Difference, ...]:
    """Return a row for each two methods and each category of which there is a pair, in the order of the report.

    Args:
        pairs: of each two methods.
        prompts: that may have pairs.
        groups: of near-duplicates, by the prompt's row.
    """
    counts = [(p, category, p.of(members)) for p in pairs for category, members in rows_by_category(prompts).items()]
    counts = [(p, category, rows) for p, category, rows in counts if rows["images"].any()]
    if not counts:
        return ()
    clusters = [by_group(rows, groups) for *_, rows in counts]
    # In the order of the groups, or the flips that are drawn, and with them p, would depend on that of the scores.
    gains, images = (
        pd.concat(columns, axis=1).sort_index().fillna(0).to_numpy(int)
        for columns in ([c["won"] - c["lost"] for c in clusters], [c["images"] for c in clusters])
    )
    flips = sign_flips(gains, images)
    return tuple(
        _paired(*row, groups, p, adjusted, flips.confidence)
        for row, p, adjusted in zip(counts, flips.p.tolist(), flips.adjusted.tolist(), strict=True)
    )


def _paired(
    pairs: Pairs,
    category: str,
    counts: pd.DataFrame,
    groups: Mapping[int, int],
    p: float,
    adjusted: float,
    simultaneous: float,
) -> Difference:
    """Return the row of a difference.

    Args:
        pairs: of the two methods.
        category: its name.
        counts: of the pairs, of the category's prompts.
        groups: of near-duplicates, by the prompt's row.
        p: of the sign-flip test.
        adjusted: the same, for the family.
        simultaneous: the confidence at which all intervals of the family hold together.
    """
    rows, totals = counts[counts["images"] > 0], counts.sum()
    names = ["first", "second", "won", "lost", "images"]
    first, second, won, lost, images = by_group(rows, groups)[names].to_numpy(int).T

    def interval(confidence: float) -> Estimate:
        return paired_difference(won, lost, images, confidence)

    half_image = 0.5 / totals["images"]
    reduction = relative_reduction(first, second, images)
    if reduction is not None:
        reduction = agreeing(p, reduction, half_image / (second.sum() / totals["images"]))
    together = interval(simultaneous) if adjusted <= LEVEL else reaching_zero(interval(simultaneous))
    return Difference(
        pairs.method,
        pairs.against,
        category,
        len(rows),
        len(images),
        int(totals["images"]),
        **effects(
            agreeing(p, interval(1 - LEVEL), half_image),
            same_prompts_difference(*(rows[name].to_numpy(int) for name in ("won", "lost", "images"))),
            interval(ONE_SIDED),
            _bounds(totals),
            reduction,
            _maxima(rows, groups),
        ),
        **limits("simultaneous", together),
        p=p,
        p_adjusted=adjusted,
        p_mcnemar=mcnemar_p(int(totals["won"]), int(totals["lost"])),
    )


def _maxima(rows: pd.DataFrame, groups: Mapping[int, int]) -> Estimate | None:
    first, second, images = (rows[name].to_numpy(int) for name in ("first", "second", "images"))
    numbers = rows.index.map(groups).to_numpy()
    return paired_expected_max_difference(first / images, second / images, images, numbers)


def _bounds(totals: pd.Series) -> tuple[float, float] | None:
    """Return the bounds of a difference over all planned pairs; None where every one has two `ok` images."""
    if totals["images"] == totals["planned"]:
        return None
    return float(totals["least"] / totals["planned"]), float(totals["most"] / totals["planned"])


def effects(
    difference: Estimate,
    same_prompts: Estimate | None,
    one_sided: Estimate,
    bounds: tuple[float, float] | None,
    reduction: Estimate | None,
    maximum: Estimate | None,
) -> dict[str, float | None]:
    """Return the effects of a row and their limits, by the names of their columns."""
    low, high = bounds or (None, None)
    if difference.low is not None:  # within that of 95 %, which follows the test where the two would disagree
        one_sided = Estimate(0.0, max(one_sided.low, difference.low), min(one_sided.high, difference.high))
    return {
        "difference": difference.value,
        **limits("new_prompts", difference),
        **limits("same_prompts", same_prompts),
        "new_prompts_low_90": one_sided.low,
        "new_prompts_high_90": one_sided.high,
        "bound_low": low,
        "bound_high": high,
        "relative_reduction": reduction and reduction.value,
        **limits("relative_reduction", reduction),
        "expected_max_difference": maximum and maximum.value,
        **limits("expected_max_difference", maximum),
    }
