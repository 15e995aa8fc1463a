"""Features that a judge has computed anyway, stored with the scores that it gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.config.settings import Settings
from eval.folder.layouts import NO_PROMPTS
from eval.judges import Judge
from eval.plan.plan import Plan
from eval.quality import CLIP, METRICS
from eval.quality.clip import Clip
from eval.quality.settings import QualitySettings
from eval.store.features import write_features
from eval.store.rundir import RunDir
from eval.store.scores import OK, Score

Q16 = "q16"  # the judge that is a CLIP


def needs_clip(quality: QualitySettings) -> bool:
    """Return whether a metric of a run is computed from CLIP's features."""
    return any(METRICS[metric] == CLIP for metric in quality.chosen)


class InlineFeatures:
    """The features that Q16's CLIP gives of the pictures that it judges, without looking at them again.

    Args:
        run: the directory.
        shard: index of the shard.
        clip: the CLIP of the judge; None for no features.
        prompts: row → the prompt.
    """

    def __init__(self, run: RunDir, shard: int, clip: Clip | None = None, prompts: Mapping[int, str] | None = None):
        self._run, self._shard, self._clip, self._prompts = run, shard, clip, prompts or {}
        self._description = None if clip is None else clip.describe()

    @classmethod
    def of_run(cls, run: RunDir, plan: Plan, settings: Settings, judges: Mapping[str, Judge]) -> InlineFeatures:
        """Return the features that a run has of its pictures.

        Args:
            run: the directory.
            plan: of the run.
            settings: of the run.
            judges: by name, loaded; Q16 with its text network if `needs_clip`.

        Raises:
            InputError: `clip_score` was asked for, and this CLIP can't read prompts here.
        """
        if Q16 not in judges or not needs_clip(settings.quality):
            return cls(run, plan.shard_index)
        clip = Clip(judges[Q16], scores="clip_score" in settings.quality.explicit)
        return cls(run, plan.shard_index, clip, prompts_of(plan, settings))

    def rows(self, scores: Sequence[Score]) -> list[dict[str, Any]]:
        """Return the rows of features of scored pictures; none of those that were not judged."""
        if self._clip is None:
            return []
        judged = [score for score in scores if score.state == OK and Q16 in score.records]
        values = self._clip.rows_of(
            [score.records[Q16].embedding for score in judged], [self._prompts[score.row] for score in judged]
        )
        return [place_of(score) | row for score, row in zip(judged, values, strict=True)]

    def store(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows; on return they are on the disk."""
        if rows:
            write_features(self._run, CLIP, self._description, self._shard, rows)


def prompts_of(plan: Plan, settings: Settings) -> dict[int, str]:
    """Return row → the prompt as the user wrote it, without a method's prefix; an empty text where there is none."""
    without = settings.prompts.source == NO_PROMPTS
    return {prompt.row: "" if without else prompt.text for prompt in plan.prompts}


def place_of(score: Score) -> dict[str, Any]:
    """Return what a row of features has in common with the score of its picture."""
    return {"method": score.method, "row": score.row, "image": score.image, "digest": score.digest}
