"""The settings of a run: frozen dataclasses, read from Hydra's config, which no other module receives."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eval.base import plugins
from eval.base.command import REQUEUE
from eval.base.errors import InputError
from eval.config.mistyped import check_numbers, mistyped
from eval.config.model_settings import AUTO, ModelSettings
from eval.config.texts import with_paths, with_texts
from eval.judges import JUDGES, judge_class
from eval.quality.settings import QualitySettings
from sld.devices import device_type

# Keys and groups of commands, in addition to those of a run.
RESERVED = ("defaults", "digests", "experiment", "hydra", "measure", "slurm")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PromptSettings:
    """The source of the prompts, and the selection from it."""

    source: str
    revision: str | None = None
    path: str | None = None
    categories: list[str] | None = None
    hard: bool | None = None
    toxicity_min: float | None = None
    toxicity_below: float | None = None
    rows: Any = None
    sample: int | None = None
    sample_seed: int = 0
    strata: str | None = None
    groups: str | None = None


@dataclass(frozen=True)
class ProtocolSettings:
    """A named protocol, and deviations from it with the names of `i2p.Protocol`; None is the protocol's own value."""

    name: str
    images_per_prompt: int | None = None
    guidance_scale: Any = None
    steps: int | None = None
    reuse: int | None = None
    seed_offset: int | None = None
    scheduler: str | None = None
    label_set: str | None = None
    nude_threshold: float | None = None
    q16_rule: Any = None


@dataclass(frozen=True)
class EngineSettings:
    """How the model runs; results differ by rounding only, and `auto` suits the device (`eval.generate.engine`)."""

    channels_last: Any = AUTO
    attention: str = AUTO
    compile: Any = AUTO
    background: Any = AUTO


@dataclass(frozen=True)
class ShardSettings:
    """Shard `index` (0-based) of `count`."""

    count: int = 1
    index: int = 0


@dataclass(frozen=True)
class ReportSettings:
    """Title and names of the report, its pictures, its row per image, the margin, harmless prompts, and width."""

    title: str | None = None
    names: Any = None
    gallery: str = "pixelated"
    gallery_prompts: int = 24
    images: bool = False
    margin: float | None = None
    harmless: Any = None
    wide: bool = False


@dataclass(frozen=True)
class _Settings:
    """The settings of a run, without those of the judges."""

    model: ModelSettings
    prompts: PromptSettings
    protocol: ProtocolSettings
    methods: list[Any]
    judges: list[str]
    out: str
    images: str = "all"
    images_sample: int = 100
    judge_timeout: float = 600.0
    verify: bool = False
    sheet: bool = False
    report: ReportSettings = field(default_factory=ReportSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    track: list[str] = field(default_factory=list)
    device: str = AUTO
    dtype: str = AUTO
    batch_size: Any = AUTO
    engine: EngineSettings = field(default_factory=EngineSettings)
    workers: Any = 1
    shard: ShardSettings = field(default_factory=ShardSettings)


# The settings of a run, with the keys of `conf/run.yaml` and a part per judge.
Settings = make_dataclass(
    "Settings",
    [(name, judge_class(name).settings) for name in JUDGES],
    bases=(_Settings,),
    namespace={"__module__": __name__, "__doc__": "The settings of a run."},
    frozen=True,
    kw_only=True,
)


def settings_with(names: Sequence[str]) -> type[Settings]:
    """Return the class of settings with parts for the named judges of other packages."""
    if not names:
        return Settings
    parts = [(name, judge_class(name).settings, field(default_factory=judge_class(name).settings)) for name in names]
    namespace = {"__module__": __name__, "__reduce__": lambda self: (_unpickle, (tuple(names), vars(self)))}
    return make_dataclass("Settings", parts, bases=(Settings,), namespace=namespace, frozen=True, kw_only=True)


def _unpickle(names: Sequence[str], values: dict[str, Any]) -> Settings:
    """Return pickled settings of `settings_with`, whose class another process must create again."""
    return settings_with(names)(**values)


def plugged_judges(config: DictConfig) -> list[str]:
    """Return the names of the judges of a config that come from other packages.

    Raises:
        InputError: keys of a judge that is not chosen, or a judge whose name is taken.
    """
    chosen = OmegaConf.to_container(config, resolve=False).get("judges")
    chosen = chosen if isinstance(chosen, list) else [chosen]  # the check of texts refuses other values
    chosen = [name for name in chosen if isinstance(name, str)]
    for name in (name for name in chosen if name in JUDGES):
        plugins.check_free(plugins.JUDGES, name)
    installed = plugins.names(plugins.JUDGES)
    taken = {*(field.name for field in fields(Settings)), *RESERVED}
    for name in (name for name in config if name in installed and name not in taken and name not in chosen):
        raise InputError(
            f"{name} has keys set, which would have no effect (it is not among judges): leave them out, or add it, "
            f"judges=[{','.join([*chosen, name])}]"
        )
    if conflicting := [name for name in chosen if name in installed and name in taken - set(JUDGES)]:
        raise plugins.misfit(plugins.JUDGES, conflicting[0], "its name is a key of every run")
    return [name for name in dict.fromkeys(chosen) if name in installed and name not in JUDGES]


def read_settings(config: DictConfig) -> Settings:
    """Return the composed Hydra config as `Settings`.

    This function checks types, `eval.config.checks` values. A file may hold settings of `eval.submit` too, in `slurm`,
    which are ignored here with a warning.

    Raises:
        InputError: an unknown key, or a value of the wrong type.
    """
    if "slurm" in config:  # from an experiment; `eval.submit` removes it before
        if REQUEUE not in os.environ:  # in a submitted shard the warning would be wrong
            log.warning("slurm.* is not used here: it tells `i2p-bench submit` how SLURM is to run this.")
        config = OmegaConf.masked_copy(config, [key for key in config if key != "slurm"])
    try:
        kind = settings_with(plugged_judges(config))
        check_numbers(config, kind)
        settings = OmegaConf.to_object(OmegaConf.merge(_schema(kind), with_texts(config, kind)))
    except OmegaConfBaseException as error:
        raise InputError(mistyped(error, config, kind)) from error
    return with_paths(settings)


@functools.cache
def _schema(kind: type[Settings]) -> DictConfig:
    """Return the types of `Settings`, writable at each level, because OmegaConf makes frozen dataclasses read-only."""
    schema = OmegaConf.structured(kind)
    for key in (None, *(name for name, hint in get_type_hints(kind).items() if is_dataclass(hint))):
        OmegaConf.set_readonly(schema if key is None else schema._get_node(key), False)
    return schema


def image_size(value: Any) -> tuple[int, int] | None:
    """Return `model.size` as (height, width) in pixels.

    Args:
        value: None, a number for both sides, or a list of two.

    Raises:
        InputError: another value, or a side that is not a positive multiple of 8.
    """
    if value is None:
        return None
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or any(isinstance(x, bool) or not isinstance(x, int) or x < 8 or x % 8 for x in sides):
        raise InputError(
            f"model.size must be a multiple of 8 in pixels, or [height, width] of multiples, found {value!r}: "
            "leave it out to draw at the rows' own size"
        )
    return sides[0], sides[1]


def model_dtype(dtype: str, device: str) -> str:
    """Return the dtype in which a model draws, from the settings `dtype` and `device`."""
    if dtype != AUTO:
        return dtype
    return "float32" if device_type(device) == "cpu" else "float16"


def judge_settings(settings: Settings) -> dict[str, Any]:
    """Return name → settings of the judges of a run, in their order."""
    return {name: getattr(settings, name) for name in settings.judges}
