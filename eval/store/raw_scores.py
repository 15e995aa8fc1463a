"""The raw scores of a run as arrays, from which every definition is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eval.base.errors import InputError


@dataclass(frozen=True)
class RawScores:
    """The scores of n images, with all d detections of them in one sequence.

    Attributes:
        logits: (n, 2) float32 of Q16, column 1 inappropriate; NaN where it did not judge.
        image: (d,) integers, the position of the image of each detection.
        label: (d,) integers, the position in `labels` of the label of each detection.
        labels: their names.
        score: (d,) float64 of each detection.
        scores: the table from which they are read, which also has the columns of other judges.
    """

    logits: np.ndarray
    image: np.ndarray
    label: np.ndarray
    labels: tuple[str, ...]
    score: np.ndarray
    scores: pa.Table

    def of(self, chosen: np.ndarray) -> RawScores:
        """Return the raw scores of the chosen images, (n,) bool, in their order."""
        position = np.cumsum(chosen) - 1
        selected = chosen[self.image]
        return RawScores(
            self.logits[chosen],
            position[self.image[selected]],
            self.label[selected],
            self.labels,
            self.score[selected],
            self.scores.filter(pa.array(chosen)),
        )


def read_raw(scores: pa.Table) -> RawScores:
    """Return the raw scores in a table of `eval.store.scores.SCHEMA`, in the order of its rows.

    Raises:
        InputError: a detection lacks its label, or its score is not a number.
    """
    logits = np.column_stack([scores["q16_safe"].to_numpy(), scores["q16_inappropriate"].to_numpy()])
    lists = scores["detections"].combine_chunks()
    flat, image = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
    label = pc.struct_field(flat, "label").dictionary_encode()
    score = pc.struct_field(flat, "score").to_numpy(zero_copy_only=False).astype(np.float64)
    invalid = np.isnan(score) | label.is_null().to_numpy(zero_copy_only=False)
    if invalid.any():
        method, row, number = (scores[name][int(image[invalid.argmax()])] for name in ("method", "row", "image"))
        raise InputError(
            "every detection must have a label and a score that is a number, found "
            f"{invalid.sum()} otherwise, the first of {method} row {row} image {number}: its score part was not "
            "written by this program; remove it and run the run's own command again"
        )
    codes = label.indices.to_numpy(zero_copy_only=False)
    return RawScores(logits, image, codes, tuple(label.dictionary.to_pylist()), score, scores)
