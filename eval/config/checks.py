"""Checks of the values of settings, alone and together: a setting without an effect is an error too."""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Sequence
from operator import attrgetter

import i2p
from eval.base import plugins
from eval.base.errors import InputError
from eval.base.nearest import advice
from eval.base.values import at_least, one_of
from eval.config.names import check_names, check_title
from eval.config.quality import check_quality_settings, is_asked_for
from eval.config.settings import AUTO, ReportSettings, Settings
from eval.config.sources import SOURCES, Source, Unused
from eval.config.texts import OPTIONAL, PATHS, TEXT, text_keys
from eval.folder.layouts import NO_PROMPTS
from eval.judges import JUDGES, judge_class
from i2p.groups import BY

GALLERIES = ("off", "pixelated", "clear")
IMAGES = ("all", "sample", "flagged", "none")
DTYPES = (AUTO, "float16", "bfloat16", "float32", "float64")
DTYPE_WORDS = {
    **dict.fromkeys(("fp16", "half", "f16", "16"), "float16"),
    **dict.fromkeys(("bf16", "bf"), "bfloat16"),
    **dict.fromkeys(("fp32", "float", "f32", "32", "full"), "float32"),
    **dict.fromkeys(("fp64", "double", "f64"), "float64"),
}
_DEVICE_WORDS = {"gpu": "cuda", **dict.fromkeys(("null", "none", "default", "true"), "auto")}
_DEVICE = re.compile(r"[a-z]+(:\d{1,3})?", re.ASCII)
TRACKERS = ("wandb", "mlflow", "tensorboard")

MAX_STEPS = 10_000  # ten times the steps in the training of this family of models
ATTENTION = (AUTO, "default", "flash", "cudnn", "efficient", "math")


def check_settings(s: Settings) -> None:
    """Refuse the first value that is out of its range, contradicts another or would have no effect."""
    one_of("model.kind", s.model.kind, SOURCES)
    source = SOURCES[s.model.kind]
    one_of("images", s.images, IMAGES)
    if s.prompts.groups is not None:
        one_of("prompts.groups", s.prompts.groups, BY)
    meant = _DEVICE_WORDS.get(s.device.lower())
    if meant or not _DEVICE.fullmatch(s.device):  # torch says more, but a job's node may be another machine
        do = f"give device={meant}" if meant else "correct it"
        raise InputError(f"device must be auto or a device of torch, such as cuda:1, found {s.device!r}: {do}")
    one_of("dtype", s.dtype, DTYPES, DTYPE_WORDS)
    for name in s.judges:
        one_of("judges", name, (*JUDGES, *(() if name in JUDGES else plugins.names(plugins.JUDGES))))
    _check_effect(s, source)
    for name in dict.fromkeys((*JUDGES, *s.judges)):
        judge_class(name).check_settings(getattr(s, name), name in s.judges or is_asked_for(s, name))
    if source.judged and not s.judges:
        raise InputError(f"judges must name at least one of {' and '.join(JUDGES)}, found none: add one")
    if len(set(s.judges)) < len(s.judges):
        raise InputError(f"judges must name each judge once, found {', '.join(s.judges)}: remove the repeated name")
    source.check(s)
    if not s.out.strip():
        raise InputError("out must be the run directory, found an empty text: give out=runs/NAME")
    at_least("images_sample", s.images_sample, 1)
    check_quality_settings(s, source)
    check_trackers(s.track)
    if not 0 < s.judge_timeout <= threading.TIMEOUT_MAX:
        raise InputError(
            f"judge_timeout must be a number of seconds above 0 and at most {threading.TIMEOUT_MAX:,.0f}, found "
            f"{s.judge_timeout}: correct it"
        )
    _check_engine(s)
    check_report(s.report)
    for key, kind in text_keys(type(s)).items():
        if kind in (TEXT, OPTIONAL) and attrgetter(key)(s) == "":
            what = "a path" if key in PATHS else "a text"
            raise InputError(f"{key} must be {what}, found an empty text: give one, or leave it out")
    at_least("protocol.images_per_prompt", s.protocol.images_per_prompt, 1)
    for key, value in (("steps", s.protocol.steps), ("reuse", s.protocol.reuse)):
        at_least(f"protocol.{key}", value, 1)
        if value is not None and value > MAX_STEPS:
            raise InputError(f"protocol.{key} must be at most {MAX_STEPS:,}, found {value:,}: lower it")
    if s.protocol.seed_offset is not None and not 0 <= s.protocol.seed_offset < 2**32:
        # torch's CPU generator uses the low 32 bits of a seed: with a larger offset the noise would repeat.
        raise InputError(f"protocol.seed_offset must be from 0 to 2^32 - 1, found {s.protocol.seed_offset}: correct it")
    at_least("shard.count", s.shard.count, 1)
    if not 0 <= s.shard.index < s.shard.count:
        raise InputError(
            f"shard.index must be from 0 to {s.shard.count - 1} (shard.count={s.shard.count}), found {s.shard.index}: "
            "lower it, or give more shards, shard.count=…"
        )
    rule, threshold = s.protocol.q16_rule, s.protocol.nude_threshold
    if rule not in (None, "argmax") and not (isinstance(rule, float) and 0 < rule < 1):
        raise InputError(f"protocol.q16_rule must be argmax or a probability such as 0.9, found {rule!r}: correct it")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"protocol.nude_threshold must be a score from 0 to 1, found {threshold}: correct it")


def check_report(report: ReportSettings, part: str = "report.") -> None:
    """Refuse settings of a report that are out of their range.

    Args:
        report: the settings.
        part: what its keys begin with; empty for `eval.report`.
    """
    check_title(report.title, f"{part}title")
    check_names(report.names, None, f"{part}names")
    one_of(f"{part}gallery", report.gallery, GALLERIES)
    at_least(f"{part}gallery_prompts", report.gallery_prompts, 1)
    check_margin(report.margin, part)
    if not (report.harmless is None or isinstance(report.harmless, bool) or _are_names(report.harmless)):
        raise InputError(
            f"{part}harmless must be true, false or a list of categories, found {report.harmless!r}: correct it, or "
            "leave it out"
        )


def _are_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def check_margin(margin: float | None, part: str = "") -> None:
    """Refuse a margin in percentage points that is out of its range; None is no margin."""
    if margin is not None and not 0 < margin < 100:
        raise InputError(
            f"{part}margin must be a number of percentage points above 0 and below 100, found {margin:g}: correct it, "
            "or leave it out"
        )


def check_trackers(names: Sequence[str]) -> None:
    """Refuse, before a run starts, a tracker that is unknown, named twice or not installed."""
    for number, name in enumerate(names):
        if name not in TRACKERS:
            raise InputError(f"track must be a list of {', '.join(TRACKERS)}, found {name!r}: {advice(name, TRACKERS)}")
        if name in names[:number]:
            raise InputError(f"track must name each tracker once, found {name} twice: remove one")
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name, such as the one that wandb writes, has no file
            raise InputError(
                f"track must name installed packages, found {name}, which is not: pip install {name}, or leave it out"
            )


def _check_engine(s: Settings) -> None:
    for key, value in (("batch_size", s.batch_size), ("workers", s.workers)):
        if value != AUTO and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{key} must be auto or a whole number from 1 up, found {value!r}: correct it")
    for key in ("channels_last", "compile", "background"):
        value = getattr(s.engine, key)
        if value != AUTO and not isinstance(value, bool):
            raise InputError(f"engine.{key} must be auto, true or false, found {value!r}: correct it")
    one_of("engine.attention", s.engine.attention, ATTENTION)


def _check_effect(s: Settings, source: Source) -> None:
    """Refuse settings that would have no effect, which are mistakes."""
    unused = source.unused(s)
    if s.prompts.source == NO_PROMPTS:
        unused |= _unused_without_prompts(s, source)
    if s.prompts.source in i2p.sources.SHIPPED:
        for key in ("path", "revision"):
            why = f"{s.prompts.source} brings its prompts; choose prompts=i2p"
            unused[f"prompts.{key}"] = getattr(s.prompts, key), why
    for key, (value, why) in unused.items():
        if value:
            raise InputError(f"{key} is {value!r}, which would have no effect ({why}): leave it out")


def _unused_without_prompts(s: Settings, source: Source) -> Unused:
    """Return the settings that choose prompts, which have no effect with prompts=none: key → (value, reason)."""
    if not source.folder:
        raise InputError(
            f"prompts=none must go with model=images, because it takes the pictures of a folder as they are, found "
            f"model.kind={s.model.kind}: give model=images model.path=FOLDER, or choose prompts"
        )
    keys = ("path", "revision", "categories", "toxicity_min", "toxicity_below", "groups")
    why = "prompts=none has no prompts"
    unused: Unused = {f"prompts.{key}": (getattr(s.prompts, key), why) for key in keys}
    unused["prompts.hard"] = None if s.prompts.hard is None else str(s.prompts.hard).lower(), why
    count = s.protocol.images_per_prompt
    unused["protocol.images_per_prompt"] = count if count != 1 else None, "with prompts=none each picture is a prompt"
    unused["model.published_as"] = s.model.published_as, "no numbers are published for pictures without prompts"
    return unused
