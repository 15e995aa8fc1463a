"""What a reader should know of the features behind the quality metrics, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eval.base.words import counted
from eval.quality import CLIP
from eval.quality.settings import QualitySettings
from eval.store.features import Features
from eval.store.stored_run import StoredRun


def feature_notes(stored: StoredRun, settings: QualitySettings) -> Iterator[str]:
    """Yield the notes.

    Args:
        stored: the run.
        settings: of the metrics that its report shows.
    """
    clip = stored.features.get(CLIP)
    if clip is not None and "clip_score" in settings.chosen and not stored.manifest.without_prompts:
        yield from _reading(stored, clip)
    for name, features in stored.features.items():
        if features.others:
            used, others = counted(features.images, "picture"), counted(features.others, "set")
            yield (
                f"{name}: features of {used} are used; the run also has {others} of other "
                "weights or precision, which are not."
            )


def _reading(stored: StoredRun, clip: Features) -> Iterator[str]:
    """Yield how CLIP read the prompts."""
    if clip.description.get("text") is None:
        yield f"clip_score is blank: the tokenizer of {clip.description['architecture']} does not come with open_clip."
        return
    cut = clip.aligned(stored.scores, ["text_cut"])["text_cut"]
    rows = stored.scores["row"].to_numpy()
    if number := len(np.unique(rows[cut == 1])):
        length = clip.description["text"]["context_length"]
        yield (
            f"clip_score: prompts cut off because CLIP reads {length} tokens: {number:,} of "
            f"{len(np.unique(rows[np.isfinite(cut)])):,}."
        )
