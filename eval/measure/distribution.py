"""How far the pictures of a method are from a reference as a whole: KID, kid_clip and FID of each category.

They take long: their numbers are kept in the run directory, by a digest of everything that they depend on.
"""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from eval.base.errors import StorageError
from eval.base.files import json_digest, strict_json, write_atomic
from eval.measure.estimates import Estimate
from eval.measure.frechet import Statistics, fid
from eval.measure.kid import kid, own_similarity, paired_kid
from eval.quality import CLIP, METRICS
from eval.quality.reference import COLUMNS
from eval.store.features import folder_of
from eval.store.reference import Reference, read_reference
from eval.store.stored_run import StoredRun

FORMULAS = 1  # increases where one of the formulas gives other numbers, which makes those that are kept old
NUMBERS = Path("features") / "_numbers.json"


class Distributions:
    """The distances of a run's methods from a reference, or from the first method's pictures of the same noise.

    Args:
        stored: the run.
        source: `quality.reference`; None for the first method's pictures.
        first: (N,) of each picture, in the order of the scores, the place of the first method's of the same row and
            image; -1 where there is none.
        groups: (N,) the number of the group of near-duplicate prompts of each.
    """

    def __init__(self, stored: StoredRun, source: str | None, first: np.ndarray, groups: np.ndarray):
        self._stored, self._source, self._first, self._groups = stored, source, first, groups
        self._path = stored.run.root / NUMBERS
        self._numbers = _read(self._path)
        self._known = functools.cache(lambda extractor: stored.features[extractor].present(stored.scores))
        self.reference = functools.cache(self._reference_of)
        self._own = functools.cache(self._own_of)
        self._features = functools.lru_cache(maxsize=2)(self._features_of)  # of the first method, and of another one

    def distance(self, metric: str, images: np.ndarray) -> tuple[Estimate | None, int]:
        """Return a metric of pictures of one method, and how many of them have entered it.

        Args:
            metric: `kid`, `kid_clip` or `fid`.
            images: (n,) places of its `ok` pictures.
        """
        extractor = METRICS[metric]
        images, partner = self.compared(extractor, images)
        reference = None if self._source is None else self.reference(extractor)
        if not len(images) or (self._source is not None and reference is None):
            return None, 0
        groups = np.unique(self._groups[images], return_inverse=True)[1]
        digests = self._stored.scores["digest"]
        key = json_digest(
            {
                "formulas": FORMULAS,
                "metric": metric,
                "features": folder_of(extractor, self._stored.features[extractor].description),
                "pictures": digests.take(images).to_pylist(),
                "reference": digests.take(partner).to_pylist() if reference is None else reference.sha256,
                "groups": groups.tolist(),
            }
        )
        if key not in self._numbers:
            self._numbers[key] = self._computed(metric, images, partner, groups)
            with contextlib.suppress(StorageError):  # it is computed again next time
                write_atomic(self._path, strict_json(self._numbers).encode())
        number = self._numbers[key]
        return (None if number is None else Estimate(*number)), len(images)

    def compared(self, extractor: str, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of those pictures that can be compared, and those of what they are compared with.

        Args:
            extractor: whose features are compared.
            images: (n,) places of `ok` pictures of one method.
        """
        if extractor not in self._stored.features:
            return images[:0], images[:0]
        known, partner = self._known(extractor), self._first[images]
        if self._source is not None:
            return images[known[images]], images[:0]
        paired = (partner >= 0) & known[images] & known[partner]
        return images[paired], partner[paired]

    def _computed(
        self, metric: str, images: np.ndarray, partner: np.ndarray, groups: np.ndarray
    ) -> list[float | None] | None:
        """Return the number of pictures with its limits, where it has any."""
        extractor = METRICS[metric]
        cosine, features = extractor == CLIP, self._rows(extractor, images)
        reference = None if self._source is None else self.reference(extractor)
        if metric == "fid":
            value = fid(features, self._rows(extractor, partner) if reference is None else _of_fid(reference))
            return None if value is None else [value, None, None]
        if reference is None:
            estimate = paired_kid(features, self._rows(extractor, partner), groups, cosine=cosine)
        elif reference.features is None:
            return None
        else:
            estimate = kid(features, groups, reference.features, cosine=cosine, own=self._own(extractor))
        return None if estimate is None else [estimate.value, estimate.low, estimate.high]

    def _reference_of(self, extractor: str) -> Reference | None:
        """Return the reference's pictures as this extractor sees them; None where they have no features yet."""
        description = self._stored.features[extractor].description
        return read_reference(self._stored.run, self._source, extractor, description)

    def _own_of(self, extractor: str) -> float | None:
        """Return the mean kernel within the reference, which every number of a run's against it takes."""
        features = self.reference(extractor).features
        return own_similarity(features, cosine=extractor == CLIP) if len(features) > 1 else None

    def _rows(self, extractor: str, places: np.ndarray) -> np.ndarray:
        """Return the features of one or more pictures of one method, (n, d)."""
        every, values = self._features(extractor, self._stored.scores["method"][int(places[0])].as_py())
        return values[np.searchsorted(every, places)]

    def _features_of(self, extractor: str, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of a method's pictures, in ascending order, and their features, (n, d)."""
        column, scores = COLUMNS[extractor], self._stored.scores
        every = np.flatnonzero(pc.equal(scores["method"], method).to_numpy())
        return every, self._stored.features[extractor].aligned(scores.take(every), [column])[column]


def _of_fid(reference: Reference) -> np.ndarray | Statistics:
    if reference.features is not None:
        return reference.features
    return Statistics(reference.mean, reference.covariance, reference.count)


def _read(path: Path) -> dict[str, list[float | None] | None]:
    """Return the numbers that are kept; none where they can't be read, since they can be computed again."""
    with contextlib.suppress(OSError, ValueError):
        numbers = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(numbers, dict):
            return numbers
    return {}
