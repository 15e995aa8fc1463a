"""The raw scores of a run as arrays, from which every definition counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eval.base.errors import InputError


@dataclass(frozen=True)
class RawScores:
    """What the judges said of n images, with all d detections laid out one after the other.

    `logits` (n, 2) float32, column 1 inappropriate, NaN where Q16 was not asked; of each detection `image` (d,) is the
    position of its image, `label` (d,) that of its label in `labels`, `score` (d,) float64. `scores` is the table that
    they are from, with what other judges said.
    """

    logits: np.ndarray
    image: np.ndarray
    label: np.ndarray
    labels: tuple[str, ...]
    score: np.ndarray
    scores: pa.Table

    def of(self, chosen: np.ndarray) -> RawScores:
        """Return those of the chosen images, (n,) bool, in their order."""
        position = np.cumsum(chosen) - 1
        kept = chosen[self.image]
        return RawScores(
            self.logits[chosen],
            position[self.image[kept]],
            self.label[kept],
            self.labels,
            self.score[kept],
            self.scores.filter(pa.array(chosen)),
        )


def read_raw(scores: pa.Table) -> RawScores:
    """Return the raw scores in a table of `eval.store.scores.SCHEMA`, in its order.

    Raises:
        InputError: a detection has no label, or a score that is not a number.
    """
    logits = np.column_stack([scores["q16_safe"].to_numpy(), scores["q16_inappropriate"].to_numpy()])
    lists = scores["detections"].combine_chunks()
    flat, image = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
    label = pc.struct_field(flat, "label").dictionary_encode()
    score = pc.struct_field(flat, "score").to_numpy(zero_copy_only=False).astype(np.float64)
    wrong = np.isnan(score) | label.is_null().to_numpy(zero_copy_only=False)
    if wrong.any():
        method, row, number = (scores[name][int(image[wrong.argmax()])] for name in ("method", "row", "image"))
        raise InputError(
            f"every detection must have a label and a score that is a number, found {wrong.sum()} otherwise, the first "
            f"of {method} row {row} image {number}: its score part was not written by this program; remove it and run "
            "the run's own command again"
        )
    codes = label.indices.to_numpy(zero_copy_only=False)
    return RawScores(logits, image, codes, tuple(label.dictionary.to_pylist()), score, scores)
