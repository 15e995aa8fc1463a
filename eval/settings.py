"""What the Hydra config becomes: frozen dataclasses, checked key by key. The config itself stops here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import i2p
from eval.errors import InputError
from eval.judges import JUDGES

DEMO = "demo"  # of a model and of Q16: the demo world's own, which ship with i2p
KINDS = (DEMO, "checkpoint", "published")
IMAGES = ("all", "none")
DTYPES = ("auto", "float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class ModelSettings:
    """Which model draws the pictures; `kind` is one of `KINDS`."""

    kind: str
    path: str | None = None
    unet: str | None = None
    size: Any = None
    config: str | None = None
    prediction_type: str | None = None
    allow_pickle: bool = False
    published_as: str | None = None


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
    """A named protocol, and what was changed on top of it (None: nothing)."""

    name: str
    images_per_prompt: int | None = None
    guidance_scale: Any = None
    steps: int | None = None
    scheduler: str | None = None
    nude_labels: str | None = None
    nude_threshold: float | None = None
    q16_rule: Any = None


@dataclass(frozen=True)
class Q16Settings:
    """Which CLIP and which prompt pair Q16 uses."""

    architecture: str
    weights: str | None = None
    prompts: str | None = None
    prompts_sha256: str | None = None
    allow_pickle: bool = False


@dataclass(frozen=True)
class NudeNetSettings:
    """How pictures reach NudeNet, and on what it runs."""

    channels: str = "bgr"
    providers: list[str] | None = None
    workers: int | None = None


@dataclass(frozen=True)
class ShardSettings:
    """Shard `index` (0-based) of `count`."""

    count: int = 1
    index: int = 0


@dataclass(frozen=True)
class Settings:
    """A whole run, as the user asked for it. Key by key the same as `conf/run.yaml`."""

    model: ModelSettings
    prompts: PromptSettings
    protocol: ProtocolSettings
    q16: Q16Settings
    nudenet: NudeNetSettings
    methods: list[Any]
    judges: list[str]
    out: str
    images: str = "all"
    sheet: bool = False
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = 8
    shard: ShardSettings = field(default_factory=ShardSettings)


def read_settings(config: DictConfig) -> Settings:
    """Return the composed Hydra config as `Settings`.

    Raises:
        InputError: a key that does not exist, a value of the wrong type or out of its range.
    """
    try:
        settings = OmegaConf.to_object(OmegaConf.merge(_schema(), config))
    except OmegaConfBaseException as error:
        raise InputError(_sentence(error)) from error
    _check(settings)
    return settings


def _schema() -> DictConfig:
    """The types of `Settings`, writable: OmegaConf makes a frozen dataclass's stand-in read-only, at each level."""
    schema = OmegaConf.structured(Settings)
    for key in (None, "model", "prompts", "protocol", "q16", "nudenet", "shard"):
        OmegaConf.set_readonly(schema if key is None else schema._get_node(key), False)
    return schema


def _sentence(error: OmegaConfBaseException) -> str:
    """OmegaConf's message in one line, with the key it is about."""
    message = re.sub(r"\s+", " ", str(error.msg or error).splitlines()[0]).strip().rstrip(".")
    key = f" (at {error.full_key})" if error.full_key else ""
    if "Missing mandatory value" in message:
        return f"{error.full_key} has no default: give it on the command line, {error.full_key}=…"
    return f"{message}{key}: see `python -m eval.run --help` for the keys and their types"


def _check(s: Settings) -> None:
    _one_of("model.kind", s.model.kind, KINDS)
    _one_of("images", s.images, IMAGES)
    _one_of("dtype", s.dtype, DTYPES)
    for name in s.judges:
        _one_of("judges", name, JUDGES)
    _used(s)
    if s.model.kind != "published" and not s.judges:
        raise InputError("judges is empty, so nothing could be measured: name at least one of q16 and nudenet")
    if len(set(s.judges)) < len(s.judges):
        raise InputError(f"judges names a judge twice ({', '.join(s.judges)}): name each once")
    if s.model.kind == "checkpoint" and not s.model.path:
        raise InputError("model.path is empty: give a hub id, a folder or a .safetensors file")
    if not s.out.strip():
        raise InputError("out is empty: name the run directory, out=runs/NAME")
    _at_least("batch_size", s.batch_size, 1)
    _at_least("protocol.images_per_prompt", s.protocol.images_per_prompt, 1)
    _at_least("protocol.steps", s.protocol.steps, 1)
    _at_least("nudenet.workers", s.nudenet.workers, 1)
    _at_least("shard.count", s.shard.count, 1)
    if not 0 <= s.shard.index < s.shard.count:
        raise InputError(
            f"shard.index must be from 0 to {s.shard.count - 1} (shard.count={s.shard.count}), found {s.shard.index}"
        )
    rule, threshold = s.protocol.q16_rule, s.protocol.nude_threshold
    if rule not in (None, "argmax") and not (isinstance(rule, float) and 0 < rule < 1):
        raise InputError(f"protocol.q16_rule must be argmax or a least probability such as 0.9, found {rule!r}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"protocol.nude_threshold must be a score from 0 to 1, found {threshold}")


def _used(s: Settings) -> None:
    """A setting that would have no effect is a mistake: nothing is ignored in silence."""
    unused = {}
    if s.model.kind != "checkpoint":
        for key in ("path", "config", "prediction_type"):
            unused[f"model.{key}"] = getattr(s.model, key), f"model.kind={s.model.kind} brings its own"
    if s.prompts.source in i2p.sources.SHIPPED:
        for key in ("path", "revision"):
            why = f"{s.prompts.source} brings its prompts; choose prompts=i2p"
            unused[f"prompts.{key}"] = getattr(s.prompts, key), why
    if s.q16.architecture == DEMO:
        for key in ("weights", "prompts", "prompts_sha256", "allow_pickle"):
            unused[f"q16.{key}"] = getattr(s.q16, key), "q16=demo brings its own; choose q16=vit_l_14"
    if s.model.kind == "published":
        unused["methods"] = [m for m in s.methods if m != "baseline"], "the published results are the baseline's"
        unused["judges"] = s.judges, "the published results carry their verdicts"
        unused["model.size"] = s.model.size, "no picture is drawn"
        unused["model.unet"] = s.model.unet, "no picture is drawn"
    for key, (value, why) in unused.items():
        if value:
            raise InputError(f"{key} is {value!r}, which would have no effect ({why}): leave it out")
    if "q16" in s.judges and s.q16.architecture != DEMO and not s.q16.weights:
        raise InputError("q16.weights is empty: give an open_clip tag such as openai, or a .safetensors file")


def _one_of(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{key} must be one of {', '.join(known)}, found {value!r}")


def _at_least(key: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise InputError(f"{key} must be {least} or more, found {value}")


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
