"""The features of a batch of pictures, in as much memory as there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.generate.judge import release_memory
from eval.quality.extractor import Extractor
from sld.tuning import out_of_memory


def rows_of(
    extractor: Extractor,
    pictures: Sequence[np.ndarray],
    prompts: Sequence[str],
    references: Sequence[np.ndarray] | None,
) -> list[dict[str, Any]]:
    """Return the features of pictures of one size (`Extractor.rows`); where memory does not suffice, of halves."""
    try:
        return extractor.rows(pictures, prompts, references)
    except Exception as error:
        if not out_of_memory(error) or len(pictures) == 1:
            raise
    release_memory()
    half = len(pictures) // 2
    return [
        row
        for part in (slice(half), slice(half, None))
        for row in rows_of(extractor, pictures[part], prompts[part], None if references is None else references[part])
    ]
