"""Checks of the quality settings against the rest of a run's settings."""

from __future__ import annotations

from eval.base.errors import InputError
from eval.config.settings import Settings
from eval.config.sources import Source
from eval.folder.layouts import NO_PROMPTS
from eval.quality import CLIP, METRICS
from eval.quality.settings import check_quality

Q16 = "q16"


def check_quality_settings(s: Settings, source: Source) -> None:
    """Refuse quality settings that contradict others or would have no effect.

    Raises:
        InputError: the first such setting.
    """
    check_quality(s.quality)
    explicit = ", ".join(s.quality.explicit)
    if explicit and not source.judged:
        raise InputError(
            f"quality must be auto with model.kind={source.kind}, which has no pictures, found {explicit}: leave "
            "quality out"
        )
    if s.prompts.source == NO_PROMPTS and "clip_score" in s.quality.explicit:
        raise InputError(
            "quality must be without clip_score if prompts=none, because that compares pictures with their prompts, "
            f"found {explicit}: leave clip_score out"
        )
    again = [name for name in s.quality.explicit if needs_pictures(s, name)]
    if again and source.draws and s.images != "all":
        raise InputError(
            f"images must be all with {', '.join(again)}, for which pictures are looked at again, found {s.images}: "
            "give images=all, or other metrics, quality=…"
        )


def is_asked_for(s: Settings, judge: str) -> bool:
    """Return whether a judge is needed for the features that metrics asked for by name are computed from."""
    return judge == Q16 and any(METRICS.get(name) == CLIP for name in s.quality.explicit)


def needs_pictures(s: Settings, metric: str) -> bool:
    """Return whether stored pictures are looked at for a metric, because no judge of the run gives its features."""
    return not (METRICS[metric] == CLIP and Q16 in s.judges)
