"""Settings that nothing reads beside the others: each is named in a warning, and the run goes on.

Those that contradict others, or choose what another source brings, are refused by `eval.config.checks`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from eval.config.quality import is_asked_for
from eval.config.settings import PromptSettings, ReportSettings, Settings
from eval.judges import JUDGES

log = logging.getLogger(__name__)

# The settings of a judge that its group leaves at their defaults.
OF_JUDGES = {"q16": ("dtype",), "nudenet": ("channels", "providers", "workers")}


def log_unused(s: Settings) -> None:
    """Log a warning for each setting that differs from its default and that nothing reads."""
    for sentence in unused_settings(s):
        log.warning("%s.", sentence)


def unused_settings(s: Settings) -> list[str]:
    """Return a sentence, without its full stop, for each setting that `log_unused` warns of."""
    return [f"{key}={value} is not used: {why}" for key, value, why in _unused(s)]


def _unused(s: Settings) -> Iterator[tuple[str, Any, str]]:
    if s.images != "sample" and s.images_sample != Settings.images_sample:
        yield "images_sample", s.images_sample, "only images=sample reads it"
    if s.prompts.sample is None and s.prompts.sample_seed != PromptSettings.sample_seed:
        yield "prompts.sample_seed", s.prompts.sample_seed, "only prompts.sample reads it"
    if s.report.gallery == "off" and s.report.gallery_prompts != ReportSettings.gallery_prompts:
        yield "report.gallery_prompts", s.report.gallery_prompts, "report.gallery=off shows none"
    for judge in (name for name in JUDGES if name not in s.judges and not is_asked_for(s, name)):
        settings = getattr(s, judge)
        for name in OF_JUDGES[judge]:
            if (value := getattr(settings, name)) != getattr(type(settings), name):
                yield f"{judge}.{name}", value, f"{judge} is not among judges"
