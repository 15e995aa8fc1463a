"""The protocol of a run: a known one with the user's changes, and its deviations in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import i2p
from eval.base.errors import InputError
from eval.config.settings import PromptSettings, ProtocolSettings
from eval.folder.layouts import NO_PROMPTS
from eval.plan.prompts import selection_of
from i2p.labels import get_label_set
from i2p.sources import SHIPPED


def selection_deviations(protocol: i2p.Protocol, prompts: PromptSettings) -> tuple[str, ...]:
    """Return, in words, where the selection of prompts differs from the protocol's."""
    if protocol.selection is None:
        return ()
    usual, chosen = asdict(protocol.selection), asdict(selection_of(prompts))
    words = {key: [_in_words(rows[key]) for rows in (chosen, usual)] for key in usual if chosen[key] != usual[key]}
    return tuple(f"prompts.{key} {value} instead of {usual_value}" for key, (value, usual_value) in words.items())


def judging_deviations(
    prompts: PromptSettings,
    judges: Sequence[str] | None,
    protocol: i2p.Protocol,
    source: i2p.PromptList,
    table: str | None = None,
) -> tuple[str, ...]:
    """Return, in words, where other prompts than I2P's are used, a judge is missing, or intervals ignore groups.

    Prompts that ship with `i2p` are no deviation, because their name shows that they are others.

    Args:
        prompts: the settings.
        judges: their names; None where verdicts are replayed.
        protocol: of the run.
        source: the prompts as read.
        table: the name of a folder's own table of prompts.
    """
    clauses = []
    if prompts.source == NO_PROMPTS:
        clauses.append("no prompts, each picture one of its own, instead of I2P as it was published")
    elif not source.benchmark and prompts.source not in SHIPPED:
        name = table or (Path(prompts.path).name if prompts.path else prompts.source)
        clauses.append(f"prompts of {name} instead of I2P as it was published")
    required = ("nudenet", *(("q16",) if protocol.q16_rule is not None else ()))
    lacking = [name for name in required if judges is not None and name not in judges]
    if lacking:
        clauses.append(f"judged without {' and '.join(lacking)}")
    if prompts.groups == "rows":
        clauses.append("intervals by prompt instead of by groups of near-duplicate prompts")
    return tuple(clauses)


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else "any" if value is None else str(value)


def changed_protocol(settings: ProtocolSettings) -> tuple[i2p.Protocol, tuple[str, ...], tuple[str, ...]]:
    """Return the protocol with the user's changes, the changes in words, and those of them that are lossy.

    Raises:
        InputError: the guidance scale is neither a finite number from 0 up nor `row`.
        i2p.InputError, sld.InputError: there is no such protocol, label set or scheduler.
    """
    base = i2p.get_protocol(settings.name)
    values = asdict(settings)
    if settings.label_set is not None and settings.nude_threshold is None:  # a label set brings its own threshold
        values["nude_threshold"] = get_label_set(settings.label_set).threshold
    if settings.scheduler is not None:
        from sld.schedulers import check_name  # imported only here, because torch takes seconds

        check_name(settings.scheduler)
    changes = {key: value for key, value in values.items() if value is not None and value != getattr(base, key)}
    guidance = changes.get("guidance_scale", 1.0)
    is_number = isinstance(guidance, int | float) and not isinstance(guidance, bool)
    if guidance != "row" and not (is_number and 0 <= guidance < math.inf):
        raise InputError(
            f"protocol.guidance_scale must be a finite number from 0 up, or row for each row's own, found {guidance!r}"
        )
    usual = {"scheduler": base.scheduler or "the checkpoint's own", "q16_rule": base.q16_rule or "none"}
    words = {key: f"{key} {value} instead of {usual.get(key, getattr(base, key))}" for key, value in changes.items()}
    protocol = replace(base, **changes)
    lossy = {"steps": protocol.steps < base.steps, "reuse": protocol.reuse > base.reuse}
    return protocol, tuple(words.values()), tuple(words[key] for key, is_lossy in lossy.items() if is_lossy)
