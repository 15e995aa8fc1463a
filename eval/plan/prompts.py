"""The source of a run's prompts: read as the settings say, and what of it is on record and said beside the numbers."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import i2p
from eval.config.settings import ModelSettings, PromptSettings
from eval.folder.layouts import NO_PROMPTS
from eval.folder.own import OwnPrompts, own_prompts
from i2p.sources import HUB_ID

if TYPE_CHECKING:
    from eval.plan.plan import Plan

log = logging.getLogger(__name__)

# What rows without a guidance scale or a size are drawn with.
_DEFAULTS = {"guidance scales": "guidance scale 7.5", "sizes": "size 512×512"}


def read_prompts(s: PromptSettings, offline: bool = False) -> i2p.PromptList:
    """Read every prompt of the source; what is chosen of them is `selection_of`'s."""
    return i2p.read_prompts(s.source, path=s.path, revision=s.revision, offline=offline)


def prompts_of_folder(model: ModelSettings, s: PromptSettings) -> OwnPrompts | None:
    """Read what a folder of pictures brings along in the place of these prompts; None where it brings none."""
    asked = s.source != HUB_ID or s.path or s.revision
    chosen = (f"prompts.path={s.path}" if s.path else f"prompts.source={s.source}") if asked else None
    return own_prompts(model.path, model.layout, model.method, without_prompts=s.source == NO_PROMPTS, chosen=chosen)


def selection_of(s: PromptSettings) -> i2p.Selection:
    """Which of the prompts are used."""
    chosen = asdict(s)
    return i2p.Selection(**{key: chosen[key] for key in chosen if key not in ("source", "revision", "path")})


def recorded(source: i2p.PromptList) -> dict:
    """What a plan keeps of the source, as its fields."""
    known = source.benchmark is not None
    rows = tuple(prompt.row for prompt in source.prompts)
    return {"benchmark": known, "unused_columns": source.unused, "remarks": source.remarks, "source_rows": rows}


def otherwise_drawn(protocol: i2p.Protocol, source: i2p.PromptList) -> tuple[str, ...]:
    """Where a copy of I2P lacks what the protocol takes from each row, in words."""
    lacking = source.benchmark.lacking if source.benchmark else ()
    asked = {"guidance scales": protocol.guidance_scale, "sizes": protocol.size}
    return tuple(
        f"{_DEFAULTS[part]} for every row instead of I2P's {part}, which this copy of it lacks"
        for part, value in asked.items()
        if value == "row" and part in lacking
    )


def log_remarks(plan: Plan) -> None:
    """Warn of what of the source is not used, and say how else it was read."""
    for sentence in i2p.PromptList([], plan.unused_columns, plan.remarks).sentences():
        log.warning("%s", sentence)
