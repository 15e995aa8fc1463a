"""From features of pictures to what safety costs, per picture and per category and method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from eval.measure.cost import Cost, cost_of
from eval.measure.distribution import Distributions
from eval.measure.estimates import Estimate, mean, positive_mean
from eval.measure.sample import rows_by_category
from eval.quality import CLIP, DISTRIBUTIONS, LPIPS, METRICS, extractors_of
from eval.quality.settings import QualitySettings
from eval.store.asked import asked_quality
from eval.store.scores import OK
from eval.store.stored_run import StoredRun

BLOCK = 4096  # pairs of embeddings that are compared at a time
Average = Callable[[np.ndarray, np.ndarray], Estimate]
CLIP_COLUMNS = {"clip_score": "text_cosine", "clip_distance": "embedding"}
SAME = Estimate(0.0, 0.0, 0.0)  # a method's distance from itself


class PictureQuality:
    """What is known of each picture of a run, in the order of its scores; NaN where it is not.

    Attributes:
        stored: the run.
        asked: names in `eval.quality.METRICS`, which are measured.
        reference: with what those of whole distributions compare; None for the first method's pictures.
        places: (N,) row and image of each score, its method and its state, as columns.
        first: (N,) the place of the first method's picture of the same row and image, of which both are `ok`; -1
            where there is none.
    """

    def __init__(self, stored: StoredRun, asked: Collection[str], reference: str | None = None):
        self.stored, self.asked, self.reference = stored, asked, reference
        self.places = stored.scores.select(["method", "row", "image", "state"]).to_pandas()

    @cached_property
    def ok(self) -> np.ndarray:
        """(N,) bool, whether the picture is `ok`."""
        return (self.places["state"] == OK).to_numpy()

    @cached_property
    def first(self) -> np.ndarray:
        """(N,) the place of the first method's picture of the same row and image, -1 where one is not `ok`."""
        return self.partner_in(self, self.stored.methods[0])

    def partner_in(self, other: PictureQuality, method: str) -> np.ndarray:
        """Return the places in a run of a method's pictures of the same rows and images, -1 where one is not `ok`."""
        chosen = np.flatnonzero(other.ok & (other.places["method"] == method).to_numpy())
        keys = pd.MultiIndex.from_frame(other.places.loc[chosen, ["row", "image"]])
        places = keys.get_indexer(pd.MultiIndex.from_frame(self.places[["row", "image"]]))
        return np.where(self.ok & (places >= 0), np.append(chosen, -1)[places], -1)

    def places_of(self, method: str, rows: Collection[int]) -> np.ndarray:
        """Return the places of a method's `ok` pictures of these rows."""
        distinct, inverse = self._rows
        chosen = np.isin(distinct, list(rows))[inverse]
        return np.flatnonzero(self.ok & chosen & (self.places["method"] == method).to_numpy())

    @cached_property
    def groups(self) -> np.ndarray:
        """(N,) the number of the group of near-duplicate prompts of each picture."""
        distinct, inverse = self._rows
        return np.array([self.stored.groups[row] for row in distinct.tolist()], dtype=int)[inverse]

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct rows, and of each picture the place of its row among them."""
        return np.unique(self.places["row"].to_numpy(), return_inverse=True)

    @cached_property
    def embedding(self) -> np.ndarray | None:
        """(N, D) float32, of unit length, NaN where there is none; None where no picture has one."""
        embedding = self._clip.get("embedding")
        return embedding if embedding is not None and embedding.ndim == 2 else None

    @cached_property
    def clip_score(self) -> np.ndarray:
        """(N,) 100 × the cosine of the picture and its prompt, negative ones as 0."""
        cosine = self._clip.get("text_cosine")
        return self._only_ok(None if cosine is None else 100 * np.maximum(cosine.astype(float), 0))

    @cached_property
    def clip_distance(self) -> np.ndarray:
        """(N,) of the embeddings from that of the first method's picture, from 0 to 2."""
        if self.embedding is None:
            return self._only_ok(None)
        return distances(self.embedding, self.embedding, self.first)

    @cached_property
    def lpips(self) -> np.ndarray:
        """(N,) the learned perceptual distance from the first method's picture."""
        features = self.stored.features.get(LPIPS) if "lpips" in self.asked else None
        if features is None:
            return self._only_ok(None)
        distance = features.aligned(self.stored.scores, ["distance"])["distance"]
        return np.where(self.first == np.arange(len(distance)), 0.0, self._only_ok(distance.astype(float)))

    @cached_property
    def _clip(self) -> Mapping[str, np.ndarray]:
        """The columns of CLIP's features that are asked for, read at once."""
        columns = [column for metric, column in CLIP_COLUMNS.items() if metric in self.asked]
        features = self.stored.features.get(CLIP)
        return {} if features is None or not columns else features.aligned(self.stored.scores, columns)

    def covered(self, extractor: str) -> tuple[int, int]:
        """Return of how many `ok` pictures, or pairs of them, there are features, and how many there are."""
        if extractor == LPIPS:
            pairs = (self.first >= 0) & (self.first != np.arange(len(self.first)))
            return int((pairs & np.isfinite(self.lpips)).sum()), int(pairs.sum())
        features = self.stored.features.get(extractor)
        return 0 if features is None else features.images, int(self.ok.sum())

    @cached_property
    def distributions(self) -> Distributions:
        """How far a method's pictures are from the reference as a whole."""
        return Distributions(self.stored, self.reference, self.first, self.groups)

    def _only_ok(self, values: np.ndarray | None) -> np.ndarray:
        return np.where(self.ok, np.nan if values is None else values, np.nan)


def uncovered(pictures: PictureQuality, metrics: Collection[str]) -> Iterator[tuple[list[str], int, int, str]]:
    """Yield where features are missing: metrics, the number that have features, the number of all, and of what."""
    for extractor in extractors_of(metrics):
        known, every = pictures.covered(extractor)
        if known < every:
            names = [metric for metric in metrics if METRICS[metric] == extractor]
            yield names, known, every, "pairs of pictures" if extractor == LPIPS else "pictures"


def distances(embedding: np.ndarray, others: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Return half the squared distance of each embedding from its partner's, (N,); exactly 0 where the two are equal.

    Args:
        embedding: (N, D) of unit length, NaN where there is none.
        others: (M, D) likewise.
        partner: (N,) places among the others; -1 for none, of which the distance is NaN.
    """
    result = np.full(len(embedding), np.nan)
    paired = np.flatnonzero(partner >= 0)
    for block in np.array_split(paired, max(1, -(-len(paired) // BLOCK))):
        apart = embedding[block].astype(np.float32) - others[partner[block]].astype(np.float32)
        result[block] = np.square(apart).sum(axis=1, dtype=float) / 2
    return result


@dataclass(frozen=True)
class Quality:
    """What safety costs in a run.

    Attributes:
        settings: which metrics the run is asked for.
        pictures: of each picture.
        costs: method and category → its cost.
    """

    settings: QualitySettings
    pictures: PictureQuality
    costs: Mapping[tuple[str, str], Cost]

    def over(self, method: str, rows: Collection[int]) -> Cost:
        """Return the cost of a method over some rows."""
        return _cost(self.pictures, method, self.pictures.places_of(method, rows))


def measure_quality(stored: StoredRun) -> Quality:
    """Return what the features of a run's pictures say of its methods, over all prompts and over each category."""
    settings = asked_quality(stored.run, stored.manifest)
    pictures = PictureQuality(stored, settings.chosen, settings.reference)
    members = rows_by_category(stored.prompts)
    costs = {
        (method, category): _cost(pictures, method, pictures.places_of(method, rows))
        for category, rows in members.items()
        for method in stored.methods
    }
    return Quality(settings, pictures, costs)


def _cost(pictures: PictureQuality, method: str, images: np.ndarray) -> Cost:
    """Return the cost of a method over these pictures of it."""
    is_first, several = method == pictures.stored.methods[0], len(pictures.stored.methods) > 1
    estimates: dict[str, Estimate | None] = {}
    counts: list[int] = []

    def add(name: str, values: np.ndarray, average: Average, *, compared: bool) -> None:
        known = np.isfinite(values)
        if known.any():
            counts.append(int(known.sum()))
            own = pictures.groups[images[known]]
            estimates[name] = SAME if compared and is_first else over_groups(average, values[known], own)

    scores = pictures.clip_score
    add("clip_score", scores[images], within(mean, 100), compared=False)
    if several:  # else there is nothing to compare it with
        partner = pictures.first[images]
        gains = np.where(partner >= 0, scores[images] - scores[partner], np.nan)
        add("clip_score_difference", gains, mean, compared=True)
        add("clip_distance", pictures.clip_distance[images], within(positive_mean, 2), compared=True)
        add("lpips", pictures.lpips[images], positive_mean, compared=True)
    wholes = DISTRIBUTIONS if several or pictures.reference is not None else ()
    for metric in (name for name in wholes if name in pictures.asked):
        estimate, count = pictures.distributions.distance(metric, images)
        if estimate is not None:
            counts.append(count)
            estimates[metric] = SAME if is_first and pictures.reference is None else estimate
    return cost_of(estimates, counts)


def within(average: Average, most: float) -> Average:
    """Return an average of values from 0 to `most`, whose interval ends where they do."""

    def averaged(sums: np.ndarray, images: np.ndarray) -> Estimate:
        estimate = average(sums, images)
        if estimate.low is None:
            return estimate
        return Estimate(estimate.value, max(estimate.low, 0.0), min(estimate.high, float(most)))

    return averaged


def over_groups(average: Average, values: np.ndarray, groups: np.ndarray) -> Estimate:
    """Return the mean of values, (n,), of which each belongs to a group of near-duplicate prompts, (n,)."""
    _, group = np.unique(groups, return_inverse=True)
    return average(np.bincount(group, values), np.bincount(group))
