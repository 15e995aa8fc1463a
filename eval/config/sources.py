"""The sources of a run's pictures, by `model.kind`, and the settings that each needs or ignores.

`eval.generate.sources` draws the pictures of a source, or takes them as they are.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, ClassVar

from eval.base.errors import InputError
from eval.base.values import one_of
from eval.config.model_settings import ModelSettings
from eval.config.settings import AUTO, EngineSettings, ProtocolSettings, Settings
from eval.folder.layouts import METHOD, METHOD_IS, NAMES, NO_PROMPTS, PROMPTLESS
from i2p.protocols import DRAWN
from sld.checkpoints.family import TITLES

DEMO, CHECKPOINT, PUBLISHED, ELSEWHERE = "demo", "checkpoint", "published", "images"
Unused = dict[str, tuple[Any, str]]  # key → its value, and the reason why it has no effect


class Source:
    """A source of pictures, by default a model that draws them."""

    kind: ClassVar[str]
    draws: ClassVar[bool] = True  # a model draws the pictures
    ships: ClassVar[bool] = False  # the model is part of `i2p`
    judged: ClassVar[bool] = True  # judges score the pictures; otherwise the source has their verdicts
    folder: ClassVar[bool] = False  # the pictures are files of a folder
    instead: ClassVar[str] = ""  # what the source does instead of drawing with the methods of a script
    # Fields of `model` that have no effect, because the source has its own.
    replaces: ClassVar[tuple[str, ...]] = ("path", "config", "prediction_type")

    @property
    def needs_device(self) -> bool:
        """Whether the run computes anything on a device."""
        return self.draws or self.judged

    def model_path(self, model: ModelSettings) -> str:
        """Return the hub id, folder or file of the model."""
        return model.path

    def no_model(self, model: ModelSettings) -> str:
        """Return in words why no model is needed; empty if a model is needed."""
        return ""

    def check(self, s: Settings) -> None:
        """Refuse settings that lack what this source needs."""

    def unused(self, s: Settings) -> Unused:
        """Return the settings that have no effect with this source."""
        why = f"model.kind={self.kind} brings its own"
        unused: Unused = {f"model.{key}": (getattr(s.model, key), why) for key in self.replaces}
        if not self.folder:
            layout = s.model.layout if s.model.layout != AUTO else None
            unused["model.layout"] = layout, "only model=images reads it"
            unused["model.method"] = s.model.method, "only model=images reads it"
        if not self.draws:
            unused["model.t5"] = None if s.model.t5 else "false", "no picture is drawn"
        return unused


class Demo(Source):
    """The demo world's own checkpoint."""

    kind = DEMO
    ships = True

    def model_path(self, model: ModelSettings) -> str:
        """Return the folder of the checkpoint that ships with `i2p`."""
        from i2p.demo import trained

        return str(trained.model_folder())


class Checkpoint(Source):
    """A checkpoint of the user."""

    kind = CHECKPOINT
    replaces = ()

    def check(self, s: Settings) -> None:
        """Refuse settings without a path."""
        if not s.model.path:
            raise InputError("model.path must be a hub id, a folder or a .safetensors file, found none: give one")


class Published(Source):
    """The dataset's own results, replayed without pictures."""

    kind = PUBLISHED
    draws = judged = False
    instead = "replays the baseline's results"

    def no_model(self, model: ModelSettings) -> str:
        """Return in words why no model is needed."""
        return "none is needed: the dataset's own results are replayed"

    def unused(self, s: Settings) -> Unused:
        """Return the settings of drawing and judging."""
        unused = super().unused(s)
        unused["methods"] = [m for m in s.methods if m != "baseline"], "the published results are the baseline's"
        unused["judges"] = s.judges, "the published results carry their verdicts"
        for key in ("size", "lora", *TITLES):
            unused[f"model.{key}"] = getattr(s.model, key), "no picture is drawn"
        defaults = {"verify": False, "workers": 1, "batch_size": AUTO, "engine": EngineSettings()}
        return unused | _changed(s, defaults, "no picture is drawn")


class Folder(Source):
    """A folder of pictures made elsewhere."""

    kind = ELSEWHERE
    draws = False
    folder = True
    instead = "judges the pictures of a folder"
    replaces = ("config", "prediction_type")

    def no_model(self, model: ModelSettings) -> str:
        """Return in words why no model is needed."""
        return f"none is needed: the pictures of {model.path} are judged where they lie"

    def check(self, s: Settings) -> None:
        """Refuse settings without a folder, or with an invalid layout or method."""
        layouts = PROMPTLESS if s.prompts.source == NO_PROMPTS else NAMES
        one_of("model.layout", s.model.layout, (AUTO, *layouts))
        if not s.model.path:
            raise InputError("model.path must be the folder of the pictures, or a CSV in it, found none: give it")
        if s.model.method is not None and not re.fullmatch(METHOD, s.model.method):
            raise InputError(f"model.method must be {METHOD_IS}, found {s.model.method!r}: rename it")

    def unused(self, s: Settings) -> Unused:
        """Return the settings of drawing and keeping pictures."""
        reason = "the pictures were made elsewhere"
        defaults = {"dtype": AUTO, "workers": 1, "engine": EngineSettings(), "images": "none"}
        unused = super().unused(s) | _changed(s, defaults, reason)
        unused["methods"] = s.methods, "the folder determines them"
        unused["sheet"] = s.sheet, reason
        for key in ("size", "lora", "allow_pickle", *TITLES):
            unused[f"model.{key}"] = getattr(s.model, key), reason
        for field in fields(ProtocolSettings):
            if field.name in DRAWN:
                value = getattr(s.protocol, field.name)
                unused[f"protocol.{field.name}"] = None if value is None else str(value), reason
        return unused


def _changed(s: Settings, defaults: dict[str, Any], reason: str) -> Unused:
    """Return the settings of these keys, None for the default, each with the reason."""
    return {key: (getattr(s, key) if getattr(s, key) != value else None, reason) for key, value in defaults.items()}


SOURCES: dict[str, Source] = {source.kind: source for source in (Demo(), Checkpoint(), Published(), Folder())}
