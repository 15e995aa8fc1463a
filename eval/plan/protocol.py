"""The protocol of a run: the named one with the user's changes, and in words how it deviates."""

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


def other_rows(protocol: i2p.Protocol, prompts: PromptSettings) -> tuple[str, ...]:
    """Where other rows were chosen than the protocol takes, in words."""
    if protocol.selection is None:
        return ()
    own, asked = asdict(protocol.selection), asdict(selection_of(prompts))
    words = {key: [_in_words(rows[key]) for rows in (asked, own)] for key in own if asked[key] != own[key]}
    return tuple(f"prompts.{key} {here} instead of {there}" for key, (here, there) in words.items())


def otherwise_counted(
    prompts: PromptSettings,
    judges: Sequence[str] | None,
    protocol: i2p.Protocol,
    source: i2p.PromptList,
    table: str | None = None,
) -> tuple[str, ...]:
    """Return in words where other prompts are used, or a judge is not asked that the protocol asks.

    Prompts that ship with `i2p` say by their name that they are others.

    Args:
        prompts: as asked for.
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
    asked = ("nudenet", *(("q16",) if protocol.q16_rule is not None else ()))
    lacking = [name for name in asked if judges is not None and name not in judges]
    if lacking:
        clauses.append(f"judged without {' and '.join(lacking)}")
    return tuple(clauses)


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else "any" if value is None else str(value)


def changed_protocol(settings: ProtocolSettings) -> tuple[i2p.Protocol, tuple[str, ...], tuple[str, ...]]:
    """The named protocol with the user's changes, these changes in words, and those of them that are lossy."""
    named = i2p.get_protocol(settings.name)
    asked = asdict(settings)
    if settings.label_set is not None and settings.nude_threshold is None:  # a label set brings its own threshold
        asked["nude_threshold"] = get_label_set(settings.label_set).threshold
    if settings.scheduler is not None:
        from sld.schedulers import check_name  # torch takes seconds, which only who names one waits for here

        check_name(settings.scheduler)
    changes = {key: value for key, value in asked.items() if value is not None and value != getattr(named, key)}
    guidance = changes.get("guidance_scale", 1.0)
    number = isinstance(guidance, int | float) and not isinstance(guidance, bool)
    if guidance != "row" and not (number and 0 <= guidance < math.inf):
        raise InputError(
            f"protocol.guidance_scale must be a finite number from 0 up, or row for each row's own, found {guidance!r}"
        )
    usual = {"scheduler": named.scheduler or "the checkpoint's own", "q16_rule": named.q16_rule or "none"}
    words = {key: f"{key} {value} instead of {usual.get(key, getattr(named, key))}" for key, value in changes.items()}
    protocol = replace(named, **changes)
    lossy = {"steps": protocol.steps < named.steps, "reuse": protocol.reuse > named.reuse}
    return protocol, tuple(words.values()), tuple(words[key] for key, is_lossy in lossy.items() if is_lossy)
