"""The record of a picture by a judge that is a CLIP."""

from __future__ import annotations

import numpy as np


class ClipLogits(tuple):
    """Q16's two logits of a picture, with what they are made from.

    Attributes:
        embedding: (D,) float32, of length one.
    """

    embedding: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, embedding: np.ndarray) -> ClipLogits:
        """Return the record of a picture from its logits (2,) and its embedding (D,)."""
        record = cls(logits)
        record.embedding = embedding
        return record
