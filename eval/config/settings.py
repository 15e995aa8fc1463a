"""What the Hydra config becomes: frozen dataclasses, checked key by key. The config itself stops here."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eval.base import plugins
from eval.base.command import REQUEUE, typed
from eval.base.errors import InputError
from eval.base.renamed import RENAMED, renamed_sentence
from eval.config.texts import with_paths, with_texts
from eval.judges import JUDGES, judge_class
from sld.devices import device_type

AUTO = "auto"
# Keys and groups of the commands beside those of a run.
RESERVED = ("defaults", "digests", "experiment", "hydra", "measure", "slurm")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSettings:
    """Where the pictures come from: `kind` is a key of `eval.config.sources.SOURCES`."""

    kind: str
    path: str | None = None
    unet: str | None = None
    size: Any = None
    config: str | None = None
    prediction_type: str | None = None
    allow_pickle: bool = False
    published_as: str | None = None
    layout: str = AUTO
    method: str | None = None


@dataclass(frozen=True)
class PromptSettings:
    """Where the prompts come from and which of them are used."""

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


@dataclass(frozen=True)
class ProtocolSettings:
    """A named protocol, and by the names of `i2p.Protocol` what is changed of it (None: nothing)."""

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
    """How the model is run. Results depend on it by rounding; `auto` suits the device (`eval.generate.engine`)."""

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
    """What the report shows of the pictures, and whether it has a file with a row an image."""

    gallery: str = "pixelated"
    gallery_prompts: int = 24
    images: bool = False


@dataclass(frozen=True)
class _Settings:
    """A whole run but for the judges' own settings."""

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
    track: list[str] = field(default_factory=list)
    device: str = AUTO
    dtype: str = AUTO
    batch_size: Any = AUTO
    engine: EngineSettings = field(default_factory=EngineSettings)
    workers: Any = 1
    shard: ShardSettings = field(default_factory=ShardSettings)


# A whole run, as the user asked for it: key by key the same as `conf/run.yaml`, with a part for each judge.
Settings = make_dataclass(
    "Settings",
    [(name, judge_class(name).settings) for name in JUDGES],
    bases=(_Settings,),
    namespace={"__module__": __name__, "__doc__": "A whole run, as the user asked for it."},
    frozen=True,
    kw_only=True,
)


def settings_with(names: Sequence[str]) -> type[Settings]:
    """Return `Settings` with parts for judges that other packages bring."""
    if not names:
        return Settings
    parts = [(name, judge_class(name).settings, field(default_factory=judge_class(name).settings)) for name in names]
    namespace = {"__module__": __name__, "__reduce__": lambda self: (_restored, (tuple(names), vars(self)))}
    return make_dataclass("Settings", parts, bases=(Settings,), namespace=namespace, frozen=True, kw_only=True)


def _restored(names: Sequence[str], values: dict[str, Any]) -> Settings:
    """Settings of `settings_with` in another process, which makes the class anew."""
    return settings_with(names)(**values)


def plugged_judges(config: DictConfig) -> list[str]:
    """Return the judges of a config that other packages bring.

    Raises:
        InputError: the config sets a judge's keys that is not to judge, or one has the name of one of ours.
    """
    chosen = OmegaConf.to_container(config, resolve=False).get("judges")
    chosen = chosen if isinstance(chosen, list) else [chosen]  # what is no name is refused where texts are checked
    chosen = [name for name in chosen if isinstance(name, str)]
    for name in (name for name in chosen if name in JUDGES):
        plugins.check_free(plugins.JUDGES, name)
    others = plugins.names(plugins.JUDGES)
    known = {*(each.name for each in fields(Settings)), *RESERVED}
    for name in (name for name in config if name in others and name not in known and name not in chosen):
        raise InputError(
            f"{name} has keys set, which would have no effect (it is not among judges): leave them out, or add it, "
            f"judges=[{','.join([*chosen, name])}]"
        )
    if taken := [name for name in chosen if name in others and name in known - set(JUDGES)]:
        raise plugins.misfit(plugins.JUDGES, taken[0], "its name is a key of every run")
    return [name for name in dict.fromkeys(chosen) if name in others and name not in JUDGES]


def read_settings(config: DictConfig) -> Settings:
    """Return the composed Hydra config as `Settings`.

    Types are checked here, and what the values may be in `eval.config.checks`. A file may hold what `eval.submit` asks
    SLURM for beside a run's settings, in `slurm`: that is not looked at.

    Raises:
        InputError: a key that does not exist, a value of the wrong type or out of its range.
    """
    if "slurm" in config:  # of an experiment; those who use it take it out before
        if REQUEUE not in os.environ:  # a shard that was submitted so
            log.warning("slurm.* is not used here: it tells `i2p-bench submit` how SLURM is to run this.")
        config = OmegaConf.masked_copy(config, [key for key in config if key != "slurm"])
    try:
        kind = settings_with(plugged_judges(config))
        settings = OmegaConf.to_object(OmegaConf.merge(_schema(kind), with_texts(config, kind)))
    except OmegaConfBaseException as error:
        raise InputError(_sentence(error)) from error
    return with_paths(settings)


def _schema(kind: type[Settings]) -> DictConfig:
    """The types of `Settings`, writable: OmegaConf makes a frozen dataclass's stand-in read-only, at each level."""
    schema = OmegaConf.structured(kind)
    for key in (None, *(name for name, hint in get_type_hints(kind).items() if is_dataclass(hint))):
        OmegaConf.set_readonly(schema if key is None else schema._get_node(key), False)
    return schema


def _sentence(error: OmegaConfBaseException) -> str:
    """OmegaConf's message in one line, with the key it is about."""
    message = re.sub(r"\s+", " ", str(error.msg or error).splitlines()[0]).strip().rstrip(".")
    if error.full_key in RENAMED:
        return renamed_sentence(error.full_key)
    key = f" (at {error.full_key})" if error.full_key else ""
    if "Missing mandatory value" in message:
        return f"{error.full_key} has no default: give it on the command line, {error.full_key}=…"
    return f"{message}{key}: see `{typed('run')} --help` for the keys and their types"


def image_size(value: Any) -> tuple[int, int] | None:
    """`model.size` as (height, width) in pixels: None, one number for both, or two.

    Raises:
        InputError: anything else, or a side that is not a positive multiple of 8.
    """
    if value is None:
        return None
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or any(isinstance(x, bool) or not isinstance(x, int) or x < 8 or x % 8 for x in sides):
        raise InputError(
            f"model.size must be a multiple of 8 in pixels, or [height, width] of such, found {value!r}: "
            "leave it out to draw at the rows' own size"
        )
    return sides[0], sides[1]


def model_dtype(dtype: str, device: str) -> str:
    """Return the precision in which a model draws on a device, both as asked for."""
    if dtype != AUTO:
        return dtype
    return "float32" if device_type(device) == "cpu" else "float16"


def judge_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings of each judge that is asked, in the order in which they are named."""
    return {name: getattr(settings, name) for name in settings.judges}
