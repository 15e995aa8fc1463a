"""The parts of a manifest: the records of a run's model, prompts, methods, judges, settings and machine.

Models, methods and judges describe themselves, those of other packages with keys of their own. Their descriptions stay
mappings of plain JSON values; the keys that are used elsewhere have properties here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sld
from eval.store.environment import PARTS
from sld.checkpoints.family import TITLES

FOLLOWING = ("guided_on", "extension")  # of a method: follow from it and from the model


@dataclass(frozen=True)
class ModelRecord:
    """The model's own description, or that of pictures made elsewhere or of a replay."""

    description: Mapping[str, Any]

    @property
    def source(self) -> str:
        """A hub id, a path, or the origin of the pictures in words."""
        return self.description["source"]

    @property
    def revision(self) -> str | None:
        """The commit on the hub."""
        return self.description.get("revision")

    @property
    def family(self) -> str | None:
        """The name of its family; None in older runs and where there is no model."""
        return self.description.get("family")

    @property
    def dtype(self) -> str | None:
        """The precision in which it draws."""
        return self.description.get("dtype")

    @property
    def scheduler(self) -> str | None:
        """The class of the checkpoint's own scheduler."""
        return self.description.get("scheduler")

    @property
    def weights(self) -> Mapping[str, str]:
        """The sha256 of each weight file."""
        return self.description.get("weights") or {}

    @property
    def replaced_parts(self) -> list[str]:
        """The names of the checkpoint's parts that were replaced by others."""
        parts = dict.fromkeys(name.partition("=")[0] for name in self.weights if "=" in name)
        return [part for part in TITLES if part in parts]

    @property
    def without(self) -> Sequence[str]:
        """The names of the components that it does without."""
        return self.description.get("without") or ()

    @property
    def replaced(self) -> Mapping[str, Mapping[str, Any]]:
        """By replaced part, how much it differs from the base's; empty in older runs."""
        return self.description.get("replaced") or {}

    @property
    def loras(self) -> Sequence[Mapping[str, Any]]:
        """The LoRAs that were fused into its weights: name, scale, note, and by part how much they changed."""
        return self.description.get("lora") or ()

    @property
    def obeyed(self) -> Mapping[str, str]:
        """By each mark in the checkpoint's file, the setting that it implies."""
        return self.description.get("obeyed") or {}

    @property
    def left_aside(self) -> Sequence[str]:
        """Weight files in the checkpoint that were not used."""
        return self.description.get("left_aside") or ()

    @property
    def demo(self) -> bool:
        """Whether it is the model of the demo world."""
        return bool(self.description.get("demo"))

    @property
    def made_elsewhere(self) -> bool:
        """Whether it stands for a folder of pictures that were made elsewhere."""
        return "layout" in self.description

    @property
    def replayed(self) -> bool:
        """Whether it stands for the dataset's own results."""
        return "results_sha256" in self.description

    @property
    def brings_prompts(self) -> bool:
        """Whether the folder of the pictures brought the prompts too."""
        return "prompts" in self.description


@dataclass(frozen=True)
class PromptsRecord:
    """The digest of a run's prompts, and how many there are."""

    digest: str
    count: int


@dataclass(frozen=True)
class MethodRecord:
    """A method's own description, from `sld.Method.describe`; for pictures made elsewhere, only its name."""

    description: Mapping[str, Any]

    def __post_init__(self):
        if not isinstance(self.name, str) or not sld.is_method_name(self.name):
            raise ValueError(f"name must be the name of a method, found {self.name!r}")

    @property
    def name(self) -> str:
        """Its name, which is also the name of its folder of pictures."""
        return self.description["name"]

    @property
    def made_elsewhere(self) -> bool:
        """Whether only its name is known."""
        return "made" in self.description

    @property
    def preset(self) -> str | Mapping[str, Any] | None:
        """The name of its preset, or the values of one without a name."""
        return self.description.get("preset")

    @property
    def definition(self) -> Mapping[str, Any]:
        """Its description without what follows from the model."""
        return {key: value for key, value in self.description.items() if key not in FOLLOWING}

    @property
    def guided_on(self) -> str | None:
        """What its safety guidance compares, in words; None where the network predicts epsilon."""
        return self.description.get("guided_on")

    @property
    def extension(self) -> str:
        """What its safety guidance compares, if that goes beyond the paper and its implementations; else empty."""
        return f"safety guidance on {self.guided_on}" if self.description.get("extension") else ""


@dataclass(frozen=True)
class JudgeRecord:
    """A judge's own description."""

    description: Mapping[str, Any]

    @property
    def version(self) -> str | None:
        """Its version, as given by this project or by its package."""
        return self.description.get("version")

    @property
    def demo(self) -> bool:
        """Whether its weights are the demo world's."""
        return bool(self.description.get("demo"))


@dataclass(frozen=True)
class SettingsRecord:
    """The settings of the run's first process, resolved, by part and key; older runs lack newer keys."""

    document: Mapping[str, Any]

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a group of settings, empty if it did not exist yet."""
        return self.document.get(name) or {}

    @property
    def prompts(self) -> Mapping[str, Any]:
        """Which prompts were chosen."""
        return self.part("prompts")

    @property
    def prompt_source(self) -> str:
        """The source of the prompts: `i2p`, `demo`, the id of a data set …"""
        return self.prompts["source"]

    @property
    def model_kind(self) -> str:
        """The source of the pictures: `demo`, `checkpoint`, `images` or `published`."""
        return self.part("model")["kind"]

    @property
    def published_as(self) -> str | None:
        """The model whose published numbers the report compares with the run's."""
        return self.part("model").get("published_as")

    @property
    def title(self) -> str | None:
        """The title of the report; None for the one that it makes itself."""
        return self.part("report").get("title")

    @property
    def names(self) -> Mapping[str, str]:
        """Method → its name for print, of those that have one."""
        return self.part("report").get("names") or {}

    def in_print(self, method: str) -> str:
        """Return a method's name for people: its name for print, or its own."""
        return self.names.get(method, method)

    @property
    def shard_count(self) -> int:
        """The number of shards in the settings of the first process."""
        return self.part("shard").get("count", 1)


@dataclass(frozen=True)
class Runtime:
    """The first process of a run: its command, its start, and its environment (`eval.store.environment`)."""

    environment: Mapping[str, Any]
    command: tuple[str, ...]
    created: str

    def document(self) -> dict[str, Any]:
        """Return its part of the manifest."""
        return {**self.environment, "command": list(self.command), "created": self.created}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Runtime:
        """Return the runtime in a manifest; KeyError if a part is missing."""
        environment = {part: document[part] for part in PARTS if part in document}
        return cls(environment, tuple(document["command"]), document["created"])

    @property
    def platform(self) -> str:
        """The operating system and its version."""
        return self.environment.get("platform", "a platform that is not on record")
