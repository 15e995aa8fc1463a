"""The parts of a manifest: what is on record of a run's model, prompts, methods, judges, settings and machine.

Models, methods and judges describe themselves, and those of other packages as they like. So their descriptions stay
mappings of plain JSON values; the keys that others ask for have names here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sld
from eval.store.environment import PARTS


@dataclass(frozen=True)
class ModelRecord:
    """The model's own description; of pictures made elsewhere and of a replay, what stands in a model's place."""

    description: Mapping[str, Any]

    @property
    def source(self) -> str:
        """A hub id, a path, or in words where pictures come from."""
        return self.description["source"]

    @property
    def revision(self) -> str | None:
        """The commit on the hub."""
        return self.description.get("revision")

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
    def unet_replaced(self) -> bool:
        """Whether another UNet was put in the checkpoint's place."""
        return any(name.startswith("unet=") for name in self.weights)

    @property
    def replaced(self) -> Mapping[str, Mapping[str, Any]]:
        """By part, how much of what was put in its place differs from the base's; older runs do not say it."""
        return self.description.get("replaced") or {}

    @property
    def obeyed(self) -> Mapping[str, str]:
        """By each mark of its file, the setting that it stands for."""
        return self.description.get("obeyed") or {}

    @property
    def left_aside(self) -> Sequence[str]:
        """Weight files beside its own that were not used."""
        return self.description.get("left_aside") or ()

    @property
    def demo(self) -> bool:
        """Whether it is the demo world's."""
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
    """A method's own description, as `sld.Method.describe` gives it; of one made elsewhere just its name is known."""

    description: Mapping[str, Any]

    def __post_init__(self):
        if not isinstance(self.name, str) or not sld.is_method_name(self.name):
            raise ValueError(f"expected the name of a method, found {self.name!r}")

    @property
    def name(self) -> str:
        """Its name, which is also that of its folder of pictures."""
        return self.description["name"]

    @property
    def made_elsewhere(self) -> bool:
        """Whether nothing is known of it but its name."""
        return "made" in self.description

    @property
    def preset(self) -> str | Mapping[str, Any] | None:
        """The name of its preset, or the preset's numbers."""
        return self.description.get("preset")


@dataclass(frozen=True)
class JudgeRecord:
    """A judge's own description."""

    description: Mapping[str, Any]

    @property
    def version(self) -> str | None:
        """Of the judge as this project or its package counts it."""
        return self.description.get("version")

    @property
    def demo(self) -> bool:
        """Whether its weights are the demo world's."""
        return bool(self.description.get("demo"))


@dataclass(frozen=True)
class SettingsRecord:
    """The settings as the process resolved them that began the run, by part and key; older runs lack newer keys."""

    document: Mapping[str, Any]

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a group of settings, empty for one that was not there yet."""
        return self.document.get(name) or {}

    @property
    def prompts(self) -> Mapping[str, Any]:
        """Which prompts were chosen."""
        return self.part("prompts")

    @property
    def prompt_source(self) -> str:
        """Where the prompts are from: `i2p`, `demo`, the id of a data set …"""
        return self.prompts["source"]

    @property
    def model_kind(self) -> str:
        """How pictures came to be: `demo`, `checkpoint`, `images`, `published`."""
        return self.part("model")["kind"]

    @property
    def published_as(self) -> str | None:
        """Whose published numbers to set beside the run's."""
        return self.part("model").get("published_as")

    @property
    def shard_count(self) -> int:
        """How many shards the run was begun in."""
        return self.part("shard").get("count", 1)


@dataclass(frozen=True)
class Runtime:
    """The process that began a run: its command, its time, and its software and machine (`eval.store.environment`)."""

    environment: Mapping[str, Any]
    command: tuple[str, ...]
    created: str

    def document(self) -> dict[str, Any]:
        """Return it as it stands in the manifest."""
        return {**self.environment, "command": list(self.command), "created": self.created}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Runtime:
        """Return what a manifest says of it; KeyError where that is not whole."""
        environment = {part: document[part] for part in PARTS if part in document}
        return cls(environment, tuple(document["command"]), document["created"])

    @property
    def platform(self) -> str:
        """The operating system and its version."""
        return self.environment.get("platform", "a platform that is not on record")
