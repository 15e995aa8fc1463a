"""What safety costs: how good a method's pictures are, and how far from those of the first method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from eval.measure.estimates import Estimate

MEASURES = ("clip_score", "clip_score_difference", "clip_distance", "lpips", "kid", "kid_clip", "fid")
# Those that stand for the cost where there is room for one, the first that a run has. A difference of CLIP scores is
# the only one of which less is worse.
SHOWN = ("clip_distance", "lpips", "kid_clip", "kid", "fid", "clip_score_difference")


@dataclass(frozen=True)
class Cost:
    """The quality of a method's pictures in a category; None where it was not asked for, or can't be told.

    Names that end in _low and _high are the limits of 95 % intervals for new prompts like these, clustered by group.

    Attributes:
        clip_score: 100 × the cosine of picture and prompt, negative ones as 0; its mean.
        clip_score_difference: of the same prompts and noise, the method's minus the first method's.
        clip_distance: from the first method's picture of the same prompt and noise: half the squared distance of their
            embeddings, which is 1 − their cosine; its mean, from 0 to 2.
        lpips: the learned perceptual distance of the same two pictures; its mean.
        kid: kernel distance of the pictures' Inception features from those of the reference.
        kid_clip: the same of CLIP's embeddings.
        fid: Fréchet distance of the pictures' Inception features from those of the reference.
        quality_images: images that entered; of several measures, the fewest.
    """

    clip_score: float | None = None
    clip_score_low: float | None = None
    clip_score_high: float | None = None
    clip_score_difference: float | None = None
    clip_score_difference_low: float | None = None
    clip_score_difference_high: float | None = None
    clip_distance: float | None = None
    clip_distance_low: float | None = None
    clip_distance_high: float | None = None
    lpips: float | None = None
    lpips_low: float | None = None
    lpips_high: float | None = None
    kid: float | None = None
    kid_low: float | None = None
    kid_high: float | None = None
    kid_clip: float | None = None
    kid_clip_low: float | None = None
    kid_clip_high: float | None = None
    fid: float | None = None
    quality_images: int | None = None

    def value(self, name: str) -> float | None:
        """Return a measure."""
        return getattr(self, name)

    def limits(self, name: str) -> tuple[float | None, float | None]:
        """Return the limits of a measure's interval."""
        return getattr(self, f"{name}_low", None), getattr(self, f"{name}_high", None)

    def loss(self, name: str) -> float | None:
        """Return a measure such that more is worse."""
        value = self.value(name)
        return -value if value is not None and name == "clip_score_difference" else value


NO_COST = Cost()


class HasCost(Protocol):
    """A row of `results.csv` or `differences.csv`."""

    method: str
    category: str
    cost: Cost


Row = TypeVar("Row", bound=HasCost)


def with_costs(rows: Iterable[Row], costs: Mapping[tuple[str, str], Cost]) -> tuple[Row, ...]:
    """Return rows with the costs of their method and category."""
    return tuple(replace(row, cost=costs.get((row.method, row.category), NO_COST)) for row in rows)


def cost_of(estimates: Mapping[str, Estimate | None], images: Iterable[int]) -> Cost:
    """Return the cost of these measures and the numbers of images that entered each."""
    columns: dict[str, Any] = {}
    for name, estimate in estimates.items():
        if estimate is not None:
            columns[name] = estimate.value
            if name != "fid":
                columns |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return Cost(**columns, quality_images=min(images, default=None))


def measured(rows: Iterable[HasCost]) -> list[str]:
    """Return the measures that any of these rows has, in the order in which tables show them."""
    costs = [row.cost for row in rows]
    return [name for name in MEASURES if any(cost.value(name) is not None for cost in costs)]


def shown_measure(rows: Iterable[HasCost]) -> str | None:
    """Return the measure that stands for the cost in these rows; None where none has any."""
    costs = [row.cost for row in rows]
    return next((name for name in SHOWN if any(cost.value(name) is not None for cost in costs)), None)


def dominated(rows: Iterable[Any], measure: str) -> dict[str, list[str]]:
    """Return method → the methods that are no more inappropriate, cost no more, and are better in one of the two.

    Args:
        rows: of `results.csv`, of one category; a method that lacks either number is left out.
        measure: of the cost.
    """
    places = {
        row.method: (row.probability, row.cost.loss(measure))
        for row in rows
        if row.probability is not None and row.cost.loss(measure) is not None
    }
    return {
        name: [
            other
            for other, theirs in places.items()
            if theirs != own and all(a <= b for a, b in zip(theirs, own, strict=True))
        ]
        for name, own in places.items()
    }
