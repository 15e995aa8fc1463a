"""What each column of a comparison costs: how well its pictures match their prompts, and how far they are from others.

Of the metrics of `eval.quality` only those of CLIP's features compare across runs: LPIPS needs both pictures at once,
and KID and FID compare with pictures of the column's own run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from eval.compare.joint import Joint
from eval.compare.members import Column, Member
from eval.measure.cost import Cost, cost_of
from eval.measure.effects import unpaired_difference
from eval.measure.estimates import Estimate, mean, positive_mean
from eval.measure.quality import PictureQuality, distances, over_groups, within
from eval.measure.sample import rows_by_category
from eval.quality import AUTO_METRICS, CLIP
from eval.store.asked import asked_quality
from eval.store.features import folder_of
from eval.store.stored_run import StoredRun

FROM_REFERENCE, ENDS = ("clip_score_difference", "clip_distance"), ("", "_low", "_high")
OUTSIDE = "outside the comparison"  # in place of a picture's state
Costs = dict[tuple[str, str], Cost]  # by heading and category


class _Pictures(PictureQuality):
    """The pictures of a run that take part, by the rows of the comparison; others are in no state that counts."""

    def __init__(self, stored: StoredRun, asked: Collection[str], joint: Joint, member: int):
        super().__init__(stored, asked)
        rows = {own: row for row, own in joint.rows[member].items()}
        row = np.array([rows.get(own, -1) for own in self.places["row"].tolist()], dtype=np.int64)
        part = (row >= 0) & (self.places["image"] < joint.planned.images_per_prompt)
        if joint.shared is not None:
            part &= np.array([key in joint.shared for key in zip(row, self.places["image"], strict=True)], dtype=bool)
        self._joint = joint
        self.places = self.places.assign(row=row, state=self.places["state"].where(part, OUTSIDE))

    @cached_property
    def groups(self) -> np.ndarray:
        """(N,) the number of the group of near-duplicate prompts of each picture; -1 for one outside."""
        return np.array([self._joint.groups.get(row, -1) for row in self.places["row"].tolist()], dtype=int)


@dataclass(frozen=True)
class Features:
    """Which runs have features that compare with each other.

    Attributes:
        usable: the places of these runs among all.
        reasons: why others that were asked for them are left out, as clauses.
        description: what the features depend on; None where no run has any.
    """

    usable: frozenset[int]
    reasons: tuple[str, ...]
    description: Mapping[str, object] | None


def comparable_features(members: Sequence[Member], first: int) -> Features:
    """Return which runs have features of the same CLIP.

    Args:
        members: all runs.
        first: the place of the one whose CLIP counts, that of the reference; without features, the first with some.
    """
    having = {place: member.stored.features.get(CLIP) for place, member in enumerate(members) if _asked(member)}
    known = [place for place in (first, *having) if having.get(place) is not None]
    if not known:  # older runs, or replays
        return Features(frozenset(), (), None)
    own, usable, reasons = having[known[0]], set(), []
    for place, features in having.items():
        if features is None:
            reasons.append(f"{members[place].title} has no features of its pictures")
        elif folder_of(CLIP, features.description) != folder_of(CLIP, own.description):
            reasons.append(
                f"the features of {members[place].title} are of another CLIP than {members[known[0]].title}'s"
            )
        else:
            usable.add(place)
    return Features(frozenset(usable), tuple(reasons), own.description)


def _asked(member: Member) -> set[str]:
    return set(asked_quality(member.stored.run, member.stored.manifest).chosen) & set(AUTO_METRICS)


def paired_costs(
    members: Sequence[Member],
    columns: Sequence[Column],
    joint: Joint,
    usable: Collection[int],
    against: Mapping[str, str],
    other_noise: Collection[str],
) -> Costs:
    """Return the cost of each column in each category.

    Args:
        members: the runs.
        columns: all.
        joint: their images.
        usable: the places of the runs with comparable features.
        against: heading → the heading of the column with whose pictures the column's are compared.
        other_noise: the headings of columns whose noise is known to be another, so that a distance would be that of
            two draws.
    """
    asked = set.intersection(*(_asked(members[place]) for place in usable)) if usable else set()
    pictures = {place: _Pictures(members[place].stored, asked, joint, place) for place in usable}
    by_heading = {column.heading: column for column in columns}
    costs = {}
    for column in (column for column in columns if column.member in pictures):
        own = pictures[column.member]
        partner = by_heading.get(against.get(column.heading, ""))
        values = {"clip_score": (own.clip_score, within(mean, 100))}
        if partner is not None and partner.member in pictures:
            other = pictures[partner.member]
            places = own.partner_in(other, partner.method)
            scores = np.where(places >= 0, other.clip_score[places], np.nan)
            values["clip_score_difference"] = (own.clip_score - scores, mean)
            if column.heading not in other_noise and own.embedding is not None and other.embedding is not None:
                values["clip_distance"] = (distances(own.embedding, other.embedding, places), within(positive_mean, 2))
        for category, rows in rows_by_category(joint.prompts).items():
            images = own.places_of(column.method, rows)
            costs[column.heading, category] = _cost(own, images, values)
    return costs | dict(_of_references(costs, against))


def _of_references(costs: Costs, against: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], Cost]]:
    """Yield the cost of each reference with its distances from itself, of the kinds that a column has from it."""
    told = {
        (reference, name)
        for (heading, _), cost in costs.items()
        if (reference := against.get(heading)) is not None
        for name in FROM_REFERENCE
        if cost.value(name) is not None
    }
    for (heading, category), cost in costs.items():
        if cost.quality_images and (names := [name for name in FROM_REFERENCE if (heading, name) in told]):
            yield (heading, category), replace(cost, **{f"{name}{end}": 0.0 for name in names for end in ENDS})


def _cost(pictures: PictureQuality, images: np.ndarray, values: Mapping) -> Cost:
    estimates, counts = {}, []
    for name, (of_pictures, average) in values.items():
        known = images[np.isfinite(of_pictures[images])]
        if len(known):
            estimates[name] = over_groups(average, of_pictures[known], pictures.groups[known])
            counts.append(len(known))
    return cost_of(estimates, counts)


def single_costs(members: Sequence[Member], columns: Sequence[Column], joints: Mapping[int, Joint]) -> Costs:
    """Return the CLIP score of each column in each category of its own run, which are independent samples."""
    costs: Costs = {}
    for place, joint in joints.items():
        own = [column for column in columns if column.member == place]
        costs |= paired_costs(members, own, joint, {place}, {}, ())
    return costs


def unpaired_costs(costs: Costs, pairs: Sequence[tuple[str, str]]) -> Costs:
    """Return the difference of the CLIP scores of two independent columns in each category that both have.

    Args:
        costs: from `single_costs`.
        pairs: the headings of two columns.
    """
    return dict(_differences(costs, pairs))


def _differences(costs: Costs, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], Cost]]:
    for heading, against in pairs:
        for (name, category), cost in costs.items():
            other = costs.get((against, category))
            if name != heading or other is None or None in (cost.clip_score, other.clip_score):
                continue
            # Newcombe's interval is of fractions.
            sides = [Estimate(*(x if x is None else x / 100 for x in _clip(c))) for c in (cost, other)]
            value = unpaired_difference(*sides)
            low, high = (limit if limit is None else 100 * limit for limit in (value.low, value.high))
            counts = (cost.quality_images or 0, other.quality_images or 0)
            yield (
                (heading, category),
                cost_of({"clip_score_difference": Estimate(100 * value.value, low, high)}, counts),
            )


def _clip(cost: Cost) -> tuple[float | None, float | None, float | None]:
    return cost.clip_score, cost.clip_score_low, cost.clip_score_high
