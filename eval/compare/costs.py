"""What one method costs beside another of a second run: how far the pictures of the two are from each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eval.compare.pairing import common_prompts
from eval.measure.cost import Cost, cost_of
from eval.measure.effects import unpaired_difference
from eval.measure.estimates import Estimate, mean, positive_mean
from eval.measure.quality import PictureQuality, distances, over_groups
from eval.measure.sample import rows_by_category
from eval.quality import AUTO_METRICS, CLIP
from eval.store.asked import asked_quality
from eval.store.features import folder_of
from eval.store.stored_run import StoredRun


def costs_between(
    first: StoredRun, second: StoredRun, names: Sequence[tuple[str, str]], *, paired: bool
) -> dict[tuple[str, str], Cost]:
    """Return the cost of each method of A, by its name and category, beside its counterpart of B.

    Args:
        first: A.
        second: B.
        names: of the methods compared, of A and of B.
        paired: whether pictures of the same row and number are of the same noise; else they have no distance.
    """
    if list(no_costs(first, second)) or CLIP not in first.features:
        return {}
    asked = set.intersection(*(set(asked_quality(s.run, s.manifest).chosen) for s in (first, second)))
    pictures = [PictureQuality(stored, asked & set(AUTO_METRICS)) for stored in (first, second)]
    if paired:
        members = [rows_by_category(common_prompts(first, second))] * 2
    else:
        members = [rows_by_category(stored.prompts) for stored in (first, second)]
    costs = {}
    for both in names:
        for category in (name for name in members[0] if name in members[1]):
            places = [
                p.places_of(method, rows[category]) for p, method, rows in zip(pictures, both, members, strict=True)
            ]
            between = _paired if paired else _unpaired
            costs[both[0], category] = between(*pictures, *places, both[1])
    return costs


def no_costs(first: StoredRun, second: StoredRun) -> Iterator[str]:
    """Yield as clauses why the pictures of two runs can't be compared; nothing where they can."""
    asked = [set(asked_quality(stored.run, stored.manifest).chosen) & set(AUTO_METRICS) for stored in (first, second)]
    if not all(asked):
        return
    features = [stored.features.get(CLIP) for stored in (first, second)]
    if not any(features):  # two older runs
        return
    lacking = [letter for letter, of_run in zip("AB", features, strict=True) if of_run is None]
    if lacking:
        yield f"no features of the pictures are stored in {' and '.join(lacking)}"
    elif len({folder_of(CLIP, of_run.description) for of_run in features}) > 1:
        yield "their pictures have features of two different CLIPs"


def _paired(first: PictureQuality, second: PictureQuality, images: np.ndarray, _: np.ndarray, method: str) -> Cost:
    partner = first.partner_in(second, method)
    values = {
        "clip_score_difference": (first.clip_score - np.where(partner >= 0, second.clip_score[partner], np.nan), mean),
    }
    if first.embedding is not None and second.embedding is not None:
        values["clip_distance"] = (distances(first.embedding, second.embedding, partner), positive_mean)
    estimates, counts = {}, []
    for name, (of_pictures, average) in values.items():
        known = images[np.isfinite(of_pictures[images])]
        if len(known):
            estimates[name] = over_groups(average, of_pictures[known], first.groups[known])
            counts.append(len(known))
    return cost_of(estimates, counts)


def _unpaired(first: PictureQuality, second: PictureQuality, images: np.ndarray, others: np.ndarray, _: str) -> Cost:
    means, counts = [], []
    for pictures, places in ((first, images), (second, others)):
        known = places[np.isfinite(pictures.clip_score[places])]
        if not len(known):
            return cost_of({}, [])
        cosine = over_groups(mean, pictures.clip_score[known] / 100, pictures.groups[known])
        means.append(cosine)
        counts.append(len(known))
    difference = unpaired_difference(*means)
    low, high = (limit if limit is None else 100 * limit for limit in (difference.low, difference.high))
    return cost_of({"clip_score_difference": Estimate(100 * difference.value, low, high)}, counts)
