"""The source of a run's prompts: reading it, and its record, deviations and remarks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import i2p
from eval.config.model_settings import ModelSettings
from eval.config.settings import PromptSettings
from eval.folder.kept_rows import with_rows_of
from eval.folder.layouts import NO_PROMPTS
from eval.folder.own import OwnPrompts, own_prompts
from i2p.groups import grouped
from i2p.hub import HUB_ID

if TYPE_CHECKING:
    from eval.plan.plan import Plan

log = logging.getLogger(__name__)

# The defaults of rows without a guidance scale or a size.
_DEFAULTS = {"guidance scales": "guidance scale 7.5", "sizes": "size 512×512"}


def read_prompts(s: PromptSettings, offline: bool = False) -> i2p.PromptList:
    """Read all prompts of the source, with their groups; `selection_of` selects among them."""
    return grouped(i2p.read_prompts(s.source, path=s.path, revision=s.revision, offline=offline), s.groups)


def prompts_of_folder(model: ModelSettings, s: PromptSettings, begun: Sequence[i2p.Prompt] = ()) -> OwnPrompts | None:
    """Read what a folder of pictures brings along in the place of these prompts; None where it brings none.

    Args:
        model: the folder.
        s: the prompts that are chosen.
        begun: the prompts of the run that the folder began, whose rows it keeps.
    """
    is_chosen = s.source != HUB_ID or s.path or s.revision
    chosen = (f"prompts.path={s.path}" if s.path else f"prompts.source={s.source}") if is_chosen else None
    without = s.source == NO_PROMPTS
    own = own_prompts(model.path, model.layout, model.method, without_prompts=without, chosen=chosen)
    if own is None:
        return None
    own = with_rows_of(own, begun)
    return replace(own, source=grouped(own.source, "rows" if without else s.groups))


def selection_of(s: PromptSettings) -> i2p.Selection:
    """Return the selection of prompts in the settings."""
    return i2p.Selection(**{field.name: getattr(s, field.name) for field in fields(i2p.Selection)})


def source_record(source: i2p.PromptList, selection: i2p.Selection) -> dict:
    """Return the fields of a plan that describe the source, and what of it the sample was drawn from."""
    return {
        "benchmark": source.benchmark is not None,
        "unused_columns": source.unused,
        "remarks": source.remarks,
        "source_rows": tuple(prompt.row for prompt in source.prompts),
        "population": i2p.population_of(i2p.select(source.prompts, selection.population), selection.strata),
        "grouped_by": source.grouped_by,
        "group_column": source.group_column,
    }


def source_deviations(protocol: i2p.Protocol, source: i2p.PromptList) -> tuple[str, ...]:
    """Return, in words, the values of rows that the protocol uses and that a copy of I2P lacks."""
    lacking = source.benchmark.lacking if source.benchmark else ()
    values = {"guidance scales": protocol.guidance_scale, "sizes": protocol.size}
    return tuple(
        f"{_DEFAULTS[part]} for every row instead of I2P's {part}, which this copy of it lacks"
        for part, value in values.items()
        if value == "row" and part in lacking
    )


def log_remarks(plan: Plan) -> None:
    """Log the unused columns of the source and the remarks on it as warnings."""
    for sentence in i2p.PromptList([], plan.unused_columns, plan.remarks).sentences():
        log.warning("%s", sentence)
