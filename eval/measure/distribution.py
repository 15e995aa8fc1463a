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
from eval.measure.frechet import fid
from eval.measure.kid import paired_kid
from eval.quality import CLIP, INCEPTION, METRICS
from eval.store.features import folder_of
from eval.store.stored_run import StoredRun

COLUMNS = {CLIP: "embedding", INCEPTION: "features"}
FORMULAS = 1  # increases where one of the formulas gives other numbers, which makes those that are kept old
NUMBERS = Path("features") / "_numbers.json"


class Distributions:
    """The distances of a run's methods from the first method's pictures of the same prompts and noise.

    Args:
        stored: the run.
        first: (N,) of each picture, in the order of the scores, the place of the first method's of the same row and
            image; -1 where there is none.
        groups: (N,) the number of the group of near-duplicate prompts of each.
    """

    def __init__(self, stored: StoredRun, first: np.ndarray, groups: np.ndarray):
        self._stored, self._first, self._groups = stored, first, groups
        self._path = stored.run.root / NUMBERS
        self._numbers = _read(self._path)
        self._known = functools.cache(lambda extractor: stored.features[extractor].present(stored.scores))
        self._features = functools.lru_cache(maxsize=2)(self._features_of)  # of the first method, and of another one

    def distance(self, metric: str, images: np.ndarray) -> tuple[Estimate | None, int]:
        """Return a metric of pictures of one method, and how many pairs of pictures have entered it.

        Args:
            metric: `kid`, `kid_clip` or `fid`.
            images: (n,) places of its `ok` pictures.
        """
        scores, extractor = self._stored.scores, METRICS[metric]
        features = self._stored.features.get(extractor)
        if features is None:
            return None, 0
        known, partner = self._known(extractor), self._first[images]
        paired = (partner >= 0) & known[images] & known[partner]
        images, partner = images[paired], partner[paired]
        groups = np.unique(self._groups[images], return_inverse=True)[1]
        key = json_digest(
            {
                "formulas": FORMULAS,
                "metric": metric,
                "features": folder_of(extractor, features.description),
                "pictures": [scores["digest"].take(places).to_pylist() for places in (images, partner)],
                "groups": groups.tolist(),
            }
        )
        if key not in self._numbers:
            first, second = (self._rows(extractor, places) for places in (images, partner))
            self._numbers[key] = _computed(metric, first, second, groups)
            with contextlib.suppress(StorageError):  # it is computed again next time
                write_atomic(self._path, strict_json(self._numbers).encode())
        number = self._numbers[key]
        return (None if number is None else Estimate(*number)), len(images)

    def _rows(self, extractor: str, places: np.ndarray) -> np.ndarray:
        """Return the features of pictures of one method, (n, d)."""
        if not len(places):
            return np.empty((0, 1))
        every, values = self._features(extractor, self._stored.scores["method"][int(places[0])].as_py())
        return values[np.searchsorted(every, places)]

    def _features_of(self, extractor: str, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of a method's pictures, in ascending order, and their features, (n, d)."""
        column, scores = COLUMNS[extractor], self._stored.scores
        every = np.flatnonzero(pc.equal(scores["method"], method).to_numpy())
        return every, self._stored.features[extractor].aligned(scores.take(every), [column])[column]


def _computed(metric: str, first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> list[float | None] | None:
    """Return the number of two sets of features with its limits, where it has any."""
    if metric == "fid":
        value = fid(first, second)
        return None if value is None else [value, None, None]
    estimate = paired_kid(first, second, groups, cosine=METRICS[metric] == CLIP)
    return None if estimate is None else [estimate.value, estimate.low, estimate.high]


def _read(path: Path) -> dict[str, list[float | None] | None]:
    """Return the numbers that are kept; none where they can't be read, since they can be computed again."""
    with contextlib.suppress(OSError, ValueError):
        numbers = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(numbers, dict):
            return numbers
    return {}
