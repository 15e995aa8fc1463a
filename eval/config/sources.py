"""Where the pictures of a run come from, chosen by `model.kind`: what each source reads of the settings and needs.

What a source is like is asked here by name. Who makes its pictures, or takes them as they are, says
`eval.generate.sources`.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, ClassVar

from eval.base.errors import InputError
from eval.base.values import one_of
from eval.config.settings import AUTO, EngineSettings, ModelSettings, ProtocolSettings, Settings
from eval.folder.layouts import ALONE, METHOD, METHOD_IS, NAMES, NO_PROMPTS
from i2p.protocols import DRAWN

DEMO, CHECKPOINT, PUBLISHED, ELSEWHERE = "demo", "checkpoint", "published", "images"
Unused = dict[str, tuple[Any, str]]  # by key: the value, and why it would have no effect


class Source:
    """A source of pictures: a model that draws them, unless a subclass says otherwise."""

    kind: ClassVar[str]
    draws: ClassVar[bool] = True  # a model is loaded, and draws them
    ships: ClassVar[bool] = False  # that model is part of `i2p`
    judged: ClassVar[bool] = True  # judges look at them; else they bring their verdicts
    folder: ClassVar[bool] = False  # they are files that are there
    instead: ClassVar[str] = ""  # of drawing with methods of a script, what it does
    replaces: ClassVar[tuple[str, ...]] = ("path", "config", "prediction_type")  # of `model`, by what it brings

    @property
    def needs_device(self) -> bool:
        """Whether anything is computed on a device."""
        return self.draws or self.judged

    def model_path(self, model: ModelSettings) -> str:
        """Return where the model is: a hub id, a folder or a file."""
        return model.path

    def no_model(self, model: ModelSettings) -> str:
        """Return in words why no model is needed; empty where one is."""
        return ""

    def check(self, s: Settings) -> None:
        """Raise InputError for what this source needs and lacks."""

    def unused(self, s: Settings) -> Unused:
        """Return the settings that say nothing of this source's pictures."""
        why = f"model.kind={self.kind} brings its own"
        unused: Unused = {f"model.{key}": (getattr(s.model, key), why) for key in self.replaces}
        if not self.folder:
            layout = s.model.layout if s.model.layout != AUTO else None
            unused["model.layout"] = layout, "only model=images reads it"
            unused["model.method"] = s.model.method, "only model=images reads it"
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
    """A checkpoint of the user's."""

    kind = CHECKPOINT
    replaces = ()

    def check(self, s: Settings) -> None:
        """Raise InputError where none is named."""
        if not s.model.path:
            raise InputError("model.path is empty: give a hub id, a folder or a .safetensors file")


class Published(Source):
    """The dataset's own results, replayed: there are no pictures."""

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
        for key in ("size", "unet"):
            unused[f"model.{key}"] = getattr(s.model, key), "no picture is drawn"
        usual = {"verify": False, "workers": 1, "batch_size": AUTO, "engine": EngineSettings()}
        return unused | _changed(s, usual, "no picture is drawn")


class Folder(Source):
    """Pictures made elsewhere, which are judged where they lie."""

    kind = ELSEWHERE
    draws = False
    folder = True
    instead = "judges pictures that are there"
    replaces = ("config", "prediction_type")

    def no_model(self, model: ModelSettings) -> str:
        """Return in words why no model is needed."""
        return f"none is needed: the pictures of {model.path} are judged where they lie"

    def check(self, s: Settings) -> None:
        """Raise InputError where no folder is named, or its layout or method can't be."""
        alone = s.prompts.source == NO_PROMPTS
        one_of("model.layout", s.model.layout, (AUTO, *(ALONE if alone else NAMES)))
        if not s.model.path:
            raise InputError("model.path is empty: give the folder of the pictures, or a CSV in it")
        if s.model.method is not None and not re.fullmatch(METHOD, s.model.method):
            raise InputError(f"model.method must be {METHOD_IS}, found {s.model.method!r}: rename it")

    def unused(self, s: Settings) -> Unused:
        """Return the settings that say how pictures are drawn and kept."""
        drawn = "the pictures were made elsewhere"
        usual = {"dtype": AUTO, "workers": 1, "engine": EngineSettings(), "images": "none"}
        unused = super().unused(s) | _changed(s, usual, drawn)
        unused["methods"] = s.methods, "the folder says which there are"
        unused["sheet"] = s.sheet, drawn
        for key in ("size", "unet", "allow_pickle"):
            unused[f"model.{key}"] = getattr(s.model, key), drawn
        for field in fields(ProtocolSettings):
            if field.name in DRAWN:
                value = getattr(s.protocol, field.name)
                unused[f"protocol.{field.name}"] = None if value is None else str(value), drawn
        return unused


def _changed(s: Settings, usual: dict[str, Any], why: str) -> Unused:
    """The settings of these keys, where they are not as usual."""
    return {key: (getattr(s, key) if getattr(s, key) != value else None, why) for key, value in usual.items()}


SOURCES: dict[str, Source] = {source.kind: source for source in (Demo(), Checkpoint(), Published(), Folder())}
